import { createElement, render } from 'preact';
import { act } from 'preact/test-utils';
import { beforeEach, describe, expect, test, vi } from 'vitest';

import { Store } from '../src/core/store';
import { Capacity } from '../src/lab/sidebar/Capacity';
import { type Api, ServerError } from '../src/lab/server/api';
import type { TrainJobs } from '../src/lab/service/plugin';
import { SidebarModel, NO_INFO } from '../src/lab/sidebar/model';
import { Panel, type PanelProps } from '../src/lab/sidebar/Panel';
import { visibleItems, layOut } from '../src/lab/sidebar/rows';
import type { Channel } from '../src/core/jobs/jobStream';
import type { JobRow } from '../src/core/jobTypes';
import { row } from './jobs';
import { withoutSizes } from './sizes';

const many = (count: number): JobRow[] =>
  Array.from({ length: count }, (_, i) =>
    row({ uid: `u${i}`, name: `job-${i}`, state: i % 2 ? 'Complete' : 'Failed', created: i, finished: i })
  );

test('of two thousand jobs only the visible ones are drawn, in order and without gaps', () => {
  const all = layOut(many(2000), { text: '', sort: 'newest' });
  expect(all.jobs).toBe(2000);
  for (const from of [0, 5000, all.height - 600]) {
    const seen = visibleItems(all.items, from, from + 600);
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
])('a filter %j finds %i', (text, count) => {
  const rows = [
    row({ uid: 'a', name: 'digits-1', state: 'Running' }),
    row({ uid: 'b', name: 'digits-2', state: 'Failed', finished: 5 }),
    row({ uid: 'c', name: 'llama', state: 'Queued', reason: 'no node has a GPU' }),
    row({ uid: 'd', name: 'base', state: 'Complete', finished: 3 })
  ];
  expect(layOut(rows, { text, sort: 'newest' }).jobs).toBe(count);
});

test.each([
  ['newest', ['job-2', 'job-1', 'job-0']],
  ['oldest', ['job-0', 'job-1', 'job-2']],
  ['name', ['job-0', 'job-1', 'job-2']]
] as const)('sorted %s', (sort, names) => {
  const rows = many(3).map(row => ({ ...row, state: 'Complete' as const }));
  const { items } = layOut(rows, { text: '', sort });
  expect(items.flatMap(item => (item.is === 'job' ? [item.row.name] : []))).toEqual(names);
});

class Shown extends Store<Record<string, unknown>> {
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
  const channel = new Shown({
    context: 'trainjob-local',
    namespace: 'default',
    trouble: '',
    login: '',
    ...view
  });
  const host = document.createElement('div');
  document.body.replaceChildren(host);
  const all: PanelProps = {
    channel: Object.assign(channel, { jobs }) as unknown as Channel,
    where: { context: null, namespace: null },
    info: { ...NO_INFO, clusters: [HERE] },
    sort: 'newest',
    onSort: () => undefined,
    onGo: () => undefined,
    onOpen: () => undefined,
    onDelete: () => undefined,
    onAct: () => Promise.resolve(''),
    loadFacts: row => Promise.resolve(row),
    onDoctor: () => Promise.resolve([]),
    onNew: () => undefined,
    onStart: () => Promise.resolve(),
    onStop: () => Promise.resolve(),
    ...props
  };
  await act(() => render(createElement(Panel, all), host));
  return host;
}

/** The name of the job that an element belongs to. */
const uidOf = (node: Element | null): string => node?.closest<HTMLElement>('[data-uid]')?.dataset.uid ?? '';

beforeEach(withoutSizes);

test('a click opens a job', async () => {
  const onOpen = vi.fn();
  const host = await show([row({ uid: 'a', name: 'digits' })], { onOpen });
  (host.querySelector('.tj-row') as HTMLElement).click();
  expect(onOpen).toHaveBeenCalledWith(expect.objectContaining({ uid: 'a', name: 'digits' }));
});

test('one job is in the tab order, and arrow keys move to the others', async () => {
  const host = await show(many(5).map(row => ({ ...row, state: 'Complete' })));
  const stops = (): string[] =>
    [...host.querySelectorAll<HTMLElement>('.tj-row')]
      .filter(element => element.tabIndex === 0)
      .map(element => uidOf(element));
  expect(stops()).toEqual(['u4']);
  const press = (key: string): Promise<void> =>
    act(() => {
      host.querySelector('.tj-row')?.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true }));
    });
  await press('ArrowDown');
  expect(stops()).toEqual(['u3']);
  expect(uidOf(document.activeElement)).toBe('u3');
  await press('End');
  expect(stops()).toEqual(['u0']);
});

test('a deleted job passes the focus to its neighbour', async () => {
  const jobs = new Shown({
    rows: many(5).map(item => ({ ...item, state: 'Complete' })),
    trouble: '',
    open: []
  });
  const host = await show(null, {}, {}, jobs);
  const row = (uid: string): HTMLElement | null => host.querySelector(`[data-uid=${uid}] .tj-row`);
  await act(() => row('u2')?.focus());
  await act(() => jobs.set({ rows: (jobs.view().rows as JobRow[]).filter(({ uid }) => uid !== 'u2') }));
  expect(uidOf(document.activeElement)).toBe('u1');
});

test('names of jobs are text', async () => {
  const host = await show([row({ name: '<img src=x onerror=alert(1)>', reason: '<b>no</b>' })]);
  expect(host.querySelector('img, .tj-facts b')).toBeNull();
});

test('a cluster that is stopped can be started', async () => {
  const onStart = vi.fn(() => Promise.reject(new Error('There is no room.')));
  const info = { ...NO_INFO, clusters: [{ ...HERE, running: false }] };
  const host = await show(null, { info, onStart }, { trouble: 'The local cluster is not running.' });
  expect(host.textContent).toContain('The local cluster is not running.');
  const start = [...host.querySelectorAll('button')].find(
    button => button.textContent === 'Start this cluster'
  );
  await act(async () => start?.click());
  expect(onStart).toHaveBeenCalled();
  expect(host.textContent).toContain('There is no room.');
});

test('selecting another cluster selects its own namespace', async () => {
  const onGo = vi.fn();
  const gpu = { ...HERE, name: 'gpu', place: 'gpu', embedded: false, running: null, chosen: false };
  const host = await show([], { info: { ...NO_INFO, clusters: [HERE, gpu] }, onGo });
  const [clusters] = host.querySelectorAll('select');
  if (clusters) {
    clusters.value = 'gpu';
    await act(() => {
      clusters.dispatchEvent(new Event('input', { bubbles: true }));
    });
  }
  expect(onGo).toHaveBeenCalledWith({ context: 'gpu', namespace: null });
});

test('the capacity of a cluster is shown as text', async () => {
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
  expect(cpu?.textContent).toBe('13 of 16 cores requested');
  expect(memory?.textContent).toBe('6 of 8 GiB requested');
  expect(host.textContent).not.toContain('GPU');
  expect(host.textContent).toContain('takes no pods');
  expect(host.textContent).toContain('2 running pods have no CPU or memory request.');
});

test('a filter can be cleared even if few jobs remain', async () => {
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

test('the actions of a row are in the tab order if the row is', async () => {
  const onAct = vi.fn(() => Promise.resolve(''));
  const host = await show([row({ uid: 'a', created: 9 }), row({ uid: 'b', state: 'Stopped' })], { onAct });
  const buttons = [...host.querySelectorAll<HTMLElement>('.tj-row-actions button')];
  expect(buttons.map(button => [uidOf(button), button.textContent, button.tabIndex])).toEqual([
    ...['Stop', 'Rerun', 'Delete…'].map(name => ['a', name, 0]),
    ...['Resume', 'Rerun', 'Delete…'].map(name => ['b', name, -1])
  ]);
  await act(() => buttons[3]?.focus());
  expect(buttons.map(button => button.tabIndex)).toEqual([-1, -1, -1, 0, 0, 0]);
  await act(async () => buttons[3]?.click());
  expect(onAct).toHaveBeenCalledWith(expect.objectContaining({ uid: 'b' }), 'resume');
});

test('a deleted job passes the focus of its actions to its neighbour', async () => {
  const all = many(3).map(row => ({ ...row, state: 'Complete' as const }));
  const jobs = new Shown({ rows: all, trouble: '', open: [] });
  const host = await show(null, {}, {}, jobs);
  await act(() => host.querySelector<HTMLElement>('[data-uid=u1] .tj-row-actions button')?.focus());
  await act(() => jobs.set({ rows: all.filter(({ uid }) => uid !== 'u1') }));
  expect(uidOf(document.activeElement)).toBe('u0');
});

test('a missing namespace is reported if all namespaces could be listed', async () => {
  const info = { ...NO_INFO, clusters: [HERE], namespaces: ['team'] };
  expect((await show([], { info })).textContent).toContain('No jobs here yet');
  const host = await show([], { info: { ...info, hasAllNamespaces: true } });
  expect(host.textContent).toContain('There is no namespace default on this cluster.');
  const all = { ...info, namespaces: ['default', 'team'], hasAllNamespaces: true };
  expect((await show([], { info: all })).textContent).toContain('No jobs here yet');
});

test('missing permissions are shown', async () => {
  const info = { ...NO_INFO, clusters: [HERE], hidden: ['You may not list nodes.'] };
  const host = await show([], { info });
  expect(host.textContent).toContain('You may not list nodes.');
});

test('the doctor runs when it is opened, and lists problems first', async () => {
  const onDoctor = vi.fn(() =>
    Promise.resolve([
      { name: 'a', level: 'ok' as const, text: 'fine', remedy: '' },
      { name: 'b', level: 'problem' as const, text: 'broken', remedy: 'Mend it.' }
    ])
  );
  const host = await show([], { onDoctor });
  expect(onDoctor).not.toHaveBeenCalled();
  const details = [...host.querySelectorAll('details')].find(item => item.textContent?.includes('Doctor'));
  await act(async () => {
    if (details) {
      details.open = true;
      details.dispatchEvent(new Event('toggle'));
    }
    await Promise.resolve();
  });
  expect([...host.querySelectorAll('.tj-side-plain li b')].map(element => element.textContent)).toEqual([
    'b',
    'a'
  ]);
  expect(host.textContent).toContain('Mend it.');
});

describe('requests of the sidebar', () => {
  const refused = (status: number) => () => Promise.reject(new ServerError(`no (${status})`, status));
  function made(api: Partial<Record<keyof Api, unknown>>): SidebarModel {
    const channel = Object.assign(new Shown({ trouble: '', context: null, namespace: null }), {
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
      jobList: Object.assign(new Shown({}), { start: () => channel, restart: () => channel }),
      api: all,
      chosen: new Shown({ context: null, namespace: null })
    };
    return new SidebarModel(jobs as unknown as TrainJobs);
  }

  test('report missing permissions, and an unreachable cluster only once', async () => {
    const model = made({
      namespaces: () => Promise.resolve({ namespaces: ['default'], why: 'You may not list them.' }),
      capacity: refused(502),
      runtimes: refused(403)
    });
    await model.refresh();
    expect(model.view().info.hidden).toEqual([
      'The kubeconfig is broken.',
      'You may not list them.',
      'no (403)'
    ]);
    expect(model.view().info.namespaces).toEqual(['default']);
    expect(model.view().info.hasAllNamespaces).toBe(false);
  });

  test('for a previous cluster are ignored', async () => {
    let answer: (runtimes: unknown) => void = () => undefined;
    const model = made({ runtimes: () => new Promise(resolve => void (answer = resolve)) });
    const refreshed = model.refresh();
    model.dispose();
    answer([{ name: 'late' }]);
    await refreshed;
    expect(model.view().info.runtimes).toEqual([]);
  });
});
