import { createElement, render } from 'preact';
import { act } from 'preact/test-utils';
import { beforeEach, describe, expect, test, vi } from 'vitest';

import { Held } from '../src/core/held';
import { Capacity } from '../src/lab/sidebar/Capacity';
import { type Api, Refused } from '../src/lab/api';
import type { TrainJobs } from '../src/lab/service';
import { Model, NOTHING } from '../src/lab/sidebar/model';
import { Panel, type PanelProps } from '../src/lab/sidebar/Panel';
import { inSight, listed } from '../src/lab/sidebar/rows';
import type { Place } from '../src/core/stream';
import type { JobRow } from '../src/core/types';
import { row } from './jobs';
import { withoutSizes } from './sizes';

const many = (count: number): JobRow[] =>
  Array.from({ length: count }, (_, i) =>
    row({ uid: `u${i}`, name: `job-${i}`, state: i % 2 ? 'Complete' : 'Failed', created: i, finished: i })
  );

test('of two thousand jobs only those in sight are drawn, in order and without gaps', () => {
  const all = listed(many(2000), { text: '', sort: 'newest' });
  expect(all.jobs).toBe(2000);
  for (const from of [0, 5000, all.height - 600]) {
    const seen = inSight(all.items, from, from + 600);
    expect(seen.length).toBeLessThan(40);
    const tops = seen.map(item => item.top);
    expect(tops).toEqual([...tops].sort((a, b) => a - b));
    expect(Math.min(...tops)).toBeLessThanOrEqual(from);
    expect(Math.max(...tops)).toBeGreaterThanOrEqual(Math.min(from + 600, all.height) - 60);
  }
});

test.each([
  ['', 4],
  ['digits', 2],
  ['DIGITS running', 1],
  ['finished', 2],
  ['gpu', 1],
  ['nothing of this', 0]
])('a filter %j finds %i', (text, found) => {
  const rows = [
    row({ uid: 'a', name: 'digits-1', state: 'Running' }),
    row({ uid: 'b', name: 'digits-2', state: 'Failed', finished: 5 }),
    row({ uid: 'c', name: 'llama', state: 'Queued', reason: 'no node has a GPU' }),
    row({ uid: 'd', name: 'base', state: 'Complete', finished: 3 })
  ];
  expect(listed(rows, { text, sort: 'newest' }).jobs).toBe(found);
});

test.each([
  ['newest', ['job-2', 'job-1', 'job-0']],
  ['oldest', ['job-0', 'job-1', 'job-2']],
  ['name', ['job-0', 'job-1', 'job-2']]
] as const)('sorted %s', (sort, names) => {
  const rows = many(3).map(each => ({ ...each, state: 'Complete' as const }));
  const { items } = listed(rows, { text: '', sort });
  expect(items.flatMap(item => (item.is === 'job' ? [item.row.name] : []))).toEqual(names);
});

class Shown extends Held<Record<string, unknown>> {
  set(part: Record<string, unknown>): void {
    this.change(part);
  }
}

const HERE = {
  name: 'trainjob-local',
  place: 'this computer',
  embedded: true,
  running: true,
  namespace: 'default',
  chosen: true
};

async function show(
  rows: JobRow[] | null,
  props: Partial<PanelProps> = {},
  view: Record<string, unknown> = {},
  jobs = new Shown({ rows, trouble: '', open: [], panel: true })
): Promise<HTMLElement> {
  const place = new Shown({
    context: 'trainjob-local',
    namespace: 'default',
    trouble: '',
    login: '',
    ...view
  });
  const host = document.createElement('div');
  document.body.replaceChildren(host);
  const all: PanelProps = {
    place: Object.assign(place, { jobs }) as unknown as Place,
    where: { context: null, namespace: null },
    known: { ...NOTHING, clusters: [HERE] },
    sort: 'newest',
    onSort: () => undefined,
    onGo: () => undefined,
    onOpen: () => undefined,
    onDelete: () => undefined,
    onDoctor: () => Promise.resolve([]),
    onNew: () => undefined,
    onStart: () => Promise.resolve(),
    onStop: () => Promise.resolve(),
    ...props
  };
  await act(() => render(createElement(Panel, all), host));
  return host;
}

beforeEach(withoutSizes);

test('a click opens a job', async () => {
  const onOpen = vi.fn();
  const host = await show([row({ uid: 'a', name: 'digits' })], { onOpen });
  (host.querySelector('.tj-row') as HTMLElement).click();
  expect(onOpen).toHaveBeenCalledWith(expect.objectContaining({ uid: 'a', name: 'digits' }));
});

test('one job is a stop of the Tab key, and arrows lead to the others', async () => {
  const host = await show(many(5).map(each => ({ ...each, state: 'Complete' })));
  const stops = (): string[] =>
    [...host.querySelectorAll<HTMLElement>('.tj-row')]
      .filter(each => each.tabIndex === 0)
      .map(each => each.dataset.uid ?? '');
  expect(stops()).toEqual(['u4']);
  const press = (key: string): Promise<void> =>
    act(() => {
      host.querySelector('.tj-row')?.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
    });
  await press('ArrowDown');
  expect(stops()).toEqual(['u3']);
  expect((document.activeElement as HTMLElement).dataset.uid).toBe('u3');
  await press('End');
  expect(stops()).toEqual(['u0']);
});

test('names of jobs are text', async () => {
  const host = await show([row({ name: '<img src=x onerror=alert(1)>', reason: '<b>no</b>' })]);
  expect(host.querySelector('img, .tj-facts b')).toBeNull();
});

test('a cluster that is stopped can be started', async () => {
  const onStart = vi.fn(() => Promise.reject(new Error('There is no room.')));
  const known = { ...NOTHING, clusters: [{ ...HERE, running: false }] };
  const host = await show(null, { known, onStart }, { trouble: 'The embedded cluster was stopped.' });
  expect(host.textContent).toContain('The embedded cluster was stopped.');
  const start = [...host.querySelectorAll('button')].find(each => each.textContent === 'Start this cluster');
  await act(async () => start?.click());
  expect(onStart).toHaveBeenCalled();
  expect(host.textContent).toContain('There is no room.');
});

test('another cluster is gone to with its own namespace', async () => {
  const onGo = vi.fn();
  const gpu = { ...HERE, name: 'gpu', place: 'gpu', embedded: false, running: null, chosen: false };
  const host = await show([], { known: { ...NOTHING, clusters: [HERE, gpu] }, onGo });
  const [clusters] = host.querySelectorAll('select');
  if (clusters) {
    clusters.value = 'gpu';
    await act(() => {
      clusters.dispatchEvent(new Event('input', { bubbles: true }));
    });
  }
  expect(onGo).toHaveBeenCalledWith({ context: 'gpu', namespace: null });
});

test('how full a cluster is stands in words', async () => {
  const host = document.createElement('div');
  const node = (name: string, ready = true) => ({
    name,
    ready,
    cpu: [1.5, 8] as [number, number],
    memory: [2 ** 30, 4 * 2 ** 30] as [number, number],
    gpus: [0, 0] as [number, number],
    unasked: name === 'a' ? 2 : 0,
    gpu: ''
  });
  await act(() => render(createElement(Capacity, { nodes: [node('a'), node('b'), node('c', false)] }), host));
  const [cpu, memory] = host.querySelectorAll('.tj-side-used .tj-far');
  expect(cpu?.textContent).toBe('13 of 16 cores');
  expect(memory?.textContent).toBe('6 of 8 GiB');
  expect(host.textContent).not.toContain('GPU');
  expect(host.textContent).toContain('takes no pods');
  expect(host.textContent).toContain('2 pods without requests share what is free.');
});

test('a filter can be cleared, however few jobs there are by now', async () => {
  const jobs = new Shown({ rows: many(10), trouble: '', open: [], panel: true });
  const host = await show(null, {}, {}, jobs);
  const search = host.querySelector<HTMLInputElement>('input[type=search]');
  await act(() => {
    if (search) {
      search.value = 'job-3';
      search.dispatchEvent(new Event('input', { bubbles: true }));
    }
  });
  expect(host.querySelectorAll('.tj-row').length).toBe(1);
  await act(() => jobs.set({ rows: many(2) }));
  expect(host.textContent).toContain('No job matches');
  expect(host.querySelector('input[type=search]')).not.toBeNull();
});

test('Delete asks for the job that has the focus', async () => {
  const onDelete = vi.fn();
  const host = await show([row({ uid: 'a', name: 'digits' })], { onDelete });
  await act(() => {
    const pressed = new KeyboardEvent('keydown', { key: 'Delete', bubbles: true });
    host.querySelector('.tj-row')?.dispatchEvent(pressed);
  });
  expect(onDelete).toHaveBeenCalledWith(expect.objectContaining({ uid: 'a' }));
});

test('what may not be seen is said', async () => {
  const known = { ...NOTHING, clusters: [HERE], hidden: ['You may not list nodes.'] };
  const host = await show([], { known });
  expect(host.textContent).toContain('You may not list nodes.');
});

test('the doctor is asked when somebody wants to know, problems first', async () => {
  const onDoctor = vi.fn(() =>
    Promise.resolve([
      { name: 'a', level: 'ok' as const, text: 'fine', remedy: '' },
      { name: 'b', level: 'problem' as const, text: 'broken', remedy: 'Mend it.' }
    ])
  );
  const host = await show([], { onDoctor });
  expect(onDoctor).not.toHaveBeenCalled();
  const details = [...host.querySelectorAll('details')].find(each => each.textContent?.includes('Doctor'));
  await act(async () => {
    if (details) {
      details.open = true;
      details.dispatchEvent(new Event('toggle'));
    }
    await Promise.resolve();
  });
  expect([...host.querySelectorAll('.tj-side-plain li b')].map(each => each.textContent)).toEqual(['b', 'a']);
  expect(host.textContent).toContain('Mend it.');
});

describe('what the sidebar asks', () => {
  const refused = (status: number) => () => Promise.reject(new Refused(`no (${status})`, status));
  function made(api: Partial<Record<keyof Api, unknown>>): Model {
    const place = Object.assign(new Shown({ trouble: '', context: null, namespace: null }), {
      jobs: new Shown({ rows: null, trouble: '', open: [] })
    });
    const all = {
      clusters: () => Promise.resolve({ clusters: [HERE], why: 'The kubeconfig is broken.' }),
      namespaces: () => Promise.resolve({ namespaces: ['default'], why: '' }),
      capacity: () => Promise.resolve({ nodes: [], why: '' }),
      runtimes: () => Promise.resolve([]),
      ...api
    };
    const jobs = {
      known: Object.assign(new Shown({}), { start: () => place, begin: () => place }),
      api: all,
      where: new Shown({ context: null, namespace: null })
    };
    return new Model(jobs as unknown as TrainJobs);
  }

  test('says what is forbidden, and not once more that a cluster is away', async () => {
    const model = made({
      namespaces: () => Promise.resolve({ namespaces: ['default'], why: 'You may not list them.' }),
      capacity: refused(502),
      runtimes: refused(403)
    });
    await model.look();
    expect(model.view().known.hidden).toEqual([
      'The kubeconfig is broken.',
      'You may not list them.',
      'no (403)'
    ]);
    expect(model.view().known.namespaces).toEqual(['default']);
  });

  test('answers for a place that was left count no more', async () => {
    let answer: (found: unknown) => void = () => undefined;
    const model = made({ runtimes: () => new Promise(resolve => void (answer = resolve)) });
    const looked = model.look();
    model.dispose();
    answer([{ name: 'late' }]);
    await looked;
    expect(model.view().known.runtimes).toEqual([]);
  });
});
