import { createElement, render } from 'preact';
import { act } from 'preact/test-utils';
import { beforeEach, expect, test, vi } from 'vitest';

import { Held } from '../src/core/held';
import { Capacity } from '../src/lab/sidebar/Capacity';
import { type Known, Panel, type PanelProps } from '../src/lab/sidebar/Panel';
import { inSight, listed } from '../src/lab/sidebar/rows';
import type { Place } from '../src/core/stream';
import type { JobRow } from '../src/core/types';
import { row } from './jobs';

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

const NOTHING: Known = { clusters: [], namespaces: [], nodes: [], why: '', runtimes: [] };
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
  view: Record<string, unknown> = {}
): Promise<HTMLElement> {
  const jobs = new Shown({ rows, trouble: '', open: [], panel: true });
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
    onGo: () => undefined,
    onOpen: () => undefined,
    onNew: () => undefined,
    onStart: () => Promise.resolve(),
    onStop: () => Promise.resolve(),
    ...props
  };
  await act(() => render(createElement(Panel, all), host));
  return host;
}

beforeEach(() => {
  vi.stubGlobal(
    'ResizeObserver',
    class {
      observe(): void {}
      disconnect(): void {}
    }
  );
});

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
    gpu: ''
  });
  await act(() =>
    render(createElement(Capacity, { nodes: [node('a'), node('b'), node('c', false)], why: '' }), host)
  );
  const [cpu, memory] = host.querySelectorAll('.tj-side-used .tj-far');
  expect(cpu?.textContent).toBe('13 of 16 cores');
  expect(memory?.textContent).toBe('6 of 8 GiB');
  expect(host.textContent).not.toContain('GPU');
  expect(host.textContent).toContain('takes no pods');
});
