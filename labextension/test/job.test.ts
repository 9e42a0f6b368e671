import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { JobStore, type Line } from '../src/core/job';
import type { FromKernel } from '../src/core/protocol';
import { PATIENCE_MS } from '../src/core/requests';
import { job, node } from './jobs';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

interface Asked {
  what: string;
  answer(answer: unknown): void;
  refuse(why: string): void;
}

function made(): { store: JobStore; said: string[]; asked: Asked[]; clock: { now: number } } {
  const said: string[] = [];
  const asked: Asked[] = [];
  const clock = { now: 200 };
  const line: Line = {
    ready: () => void said.push('ready'),
    open: uid => void said.push(`open ${uid}`),
    ask: what =>
      new Promise((answer, reject) => {
        asked.push({ what, answer, refuse: why => reject(new Error(why)) });
      })
  };
  return { store: new JobStore('u1', line, () => clock.now), said, asked, clock };
}

const nodes = (seq: number, reset: boolean, n: number): FromKernel => ({
  kind: 'nodes',
  job: 'u1',
  seq,
  reset,
  nodes: Array.from({ length: n }, (_, index) => node({ index }))
});

test('tells its listeners of each change, until they leave', () => {
  const { store } = made();
  let told = 0;
  const leave = store.subscribe(() => told++);
  store.setJob(job(), { fresh: true });
  store.receive(nodes(1, true, 2), []);
  leave();
  store.receive(nodes(2, false, 3), []);
  expect(told).toBe(2);
  expect(store.view().nodes).toHaveLength(3);
});

test("knows how far the kernel's clock is from ours", () => {
  const { store } = made();
  store.setJob(job({ now: 100 }), { fresh: false });
  expect(store.view().skew).toBe(0);
  store.receive({ kind: 'head', job: 'u1', head: job({ now: 206.5 }) }, []);
  expect(store.view().skew).toBe(6.5);
});

test('asks for everything when a message was lost, but not again and again', () => {
  const { store, said, clock } = made();
  store.receive(nodes(1, true, 1), []);
  store.receive(nodes(3, false, 1), []);
  store.receive(nodes(5, false, 1), []);
  expect(said).toEqual(['ready']);
  clock.now += 2;
  vi.advanceTimersByTime(2000);
  expect(said).toHaveLength(2);
  clock.now += 3;
  store.receive(nodes(9, false, 1), []);
  store.receive(nodes(20, true, 1), []);
  expect(said).toHaveLength(3);
});

test('does not ask again for what has come meanwhile', () => {
  const { store, said } = made();
  store.receive(nodes(1, true, 1), []);
  store.receive(nodes(3, false, 1), []);
  store.receive(nodes(5, false, 1), []);
  store.receive(nodes(6, true, 1), []);
  vi.advanceTimersByTime(5000);
  expect(said).toEqual(['ready']);
});

test('keeps curves that did not change, until a reset', () => {
  const { store } = made();
  const point = (y: number): DataView => new DataView(Float64Array.from([0, y, y, y]).buffer);
  const curves = (seq: number, reset: boolean, ...names: string[]): FromKernel => ({
    kind: 'curves',
    job: 'u1',
    seq,
    reset,
    curves: names.map(name => ({ name, ranks: 1, points: 1 }))
  });
  store.receive(curves(1, true, 'loss', 'lr'), [point(2), point(0.1)]);
  store.receive(curves(2, false, 'loss'), [point(1)]);
  const values = (): (number | undefined)[] => [...store.view().curves.values()].map(curve => curve.mean[0]);
  expect(values()).toEqual([1, 0.1]);
  store.receive(curves(3, true, 'lr'), [point(0.2)]);
  expect(values()).toEqual([0.2]);
});

test('an action is under way until the state tells that it is done', async () => {
  const { store, asked } = made();
  store.setJob(job(), { fresh: true });
  store.act('stop');
  expect(store.view().acting).toEqual({ is: 'asked', what: 'stop' });
  store.setJob(job({ step: 2600 }), { fresh: true });
  asked[0]?.answer({});
  await vi.advanceTimersByTimeAsync(0);
  expect(store.view().acting).toEqual({ is: 'done', what: 'stop' });
  store.setJob(job({ state: 'Stopped' }), { fresh: true });
  expect(store.view().acting).toEqual({ is: 'idle' });
});

test.each([
  ['stop', 'Stopped'],
  ['resume', 'Queued'],
  ['delete', 'Deleted']
] as const)('the state may come before the answer to %s', async (what, state) => {
  const { store, asked } = made();
  store.setJob(job({ state: what === 'resume' ? 'Stopped' : 'Running' }), { fresh: true });
  store.act(what);
  store.setJob(job({ state }), { fresh: true });
  expect(store.view().acting.is).toBe('idle');
  asked[0]?.answer({});
  await vi.advanceTimersByTimeAsync(0);
  expect(store.view().acting.is).toBe('idle');
});

test('a refusal is told in its words', async () => {
  const { store, asked } = made();
  store.setJob(job(), { fresh: true });
  store.act('delete');
  asked[0]?.refuse('no right to delete');
  await vi.advanceTimersByTimeAsync(0);
  expect(store.view().acting).toEqual({ is: 'refused', what: 'delete', message: 'no right to delete' });
});

test('a rerun opens the new job', async () => {
  const { store, said, asked } = made();
  store.act('rerun');
  asked[0]?.answer({ uid: 'u2', name: 'digits-again', differences: [] });
  await vi.advanceTimersByTimeAsync(0);
  expect(said).toEqual(['open u2']);
  expect(store.view().acting.is).toBe('idle');
});

test('a rerun that is not the same says what is different', async () => {
  const { store, asked } = made();
  store.act('rerun');
  asked[0]?.answer({ uid: 'u2', name: 'digits-again', differences: ['numpy is 2.4 now.', 'a.py changed.'] });
  await vi.advanceTimersByTimeAsync(0);
  expect(store.view().acting).toEqual({
    is: 'noted',
    what: 'rerun',
    message: 'Not as it was: numpy is 2.4 now. a.py changed.'
  });
});

test('a late answer to one action says nothing of the next', async () => {
  const { store, asked } = made();
  store.setJob(job({ state: 'Running' }), { fresh: true });
  store.act('stop');
  store.setJob(job({ state: 'Stopped' }), { fresh: true });
  store.act('resume');
  asked[0]?.answer({});
  await vi.advanceTimersByTimeAsync(0);
  expect(store.view().acting).toEqual({ is: 'asked', what: 'resume' });
  asked[1]?.refuse('no right');
  await vi.advanceTimersByTimeAsync(0);
  expect(store.view().acting.is).toBe('refused');
});

test('says so while any request waits for long', async () => {
  const { store, asked } = made();
  const first = store.ask('earlier', {});
  await vi.advanceTimersByTimeAsync(PATIENCE_MS - 1);
  const second = store.ask('csv', { names: null });
  expect(store.view().late).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  expect(store.view().late).toBe(true);
  await vi.advanceTimersByTimeAsync(PATIENCE_MS);
  asked[0]?.answer({ jobs: [] });
  await first;
  expect(store.view().late).toBe(true);
  asked[1]?.answer({ rows: 0, complete: true });
  await second;
  expect(store.view().late).toBe(false);
});

test('does not mind what it does not know', () => {
  const { store } = made();
  const before = store.view();
  store.receive({ kind: 'poem', job: 'u1' } as never, []);
  expect(store.view()).toBe(before);
});
