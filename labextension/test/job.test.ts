import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { JobStore, type JobChannel } from '../src/core/jobs/jobStore';
import type { FromKernel } from '../src/core/protocol/messages';
import { LATE_AFTER_MS } from '../src/core/protocol/requests';
import { job, node } from './jobs';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

interface PendingRequest {
  name: string;
  answer(answer: unknown): void;
  refuse(why: string): void;
}

function storeWithChannel(): {
  store: JobStore;
  sent: string[];
  requests: PendingRequest[];
  clock: { now: number };
} {
  const sent: string[] = [];
  const requests: PendingRequest[] = [];
  const clock = { now: 200 };
  const channel: JobChannel = {
    ready: () => void sent.push('ready'),
    open: uid => void sent.push(`open ${uid}`),
    ask: name =>
      new Promise((answer, reject) => {
        requests.push({ name, answer, refuse: why => reject(new Error(why)) });
      })
  };
  return { store: new JobStore('u1', channel, () => clock.now), sent, requests, clock };
}

const nodes = (seq: number, reset: boolean, n: number): FromKernel => ({
  kind: 'nodes',
  job: 'u1',
  seq,
  reset,
  nodes: Array.from({ length: n }, (_, index) => node({ index }))
});

test('notifies its listeners of each change, until they unsubscribe', () => {
  const { store } = storeWithChannel();
  let notified = 0;
  const unsubscribe = store.subscribe(() => notified++);
  store.setJob(job(), { fresh: true });
  store.receive(nodes(1, true, 2), []);
  unsubscribe();
  store.receive(nodes(2, false, 3), []);
  expect(notified).toBe(2);
  expect(store.view().nodes).toHaveLength(3);
});

test("measures the difference between the kernel's clock and the page's", () => {
  const { store } = storeWithChannel();
  store.setJob(job({ now: 100 }), { fresh: false });
  expect(store.view().skew).toBe(0);
  store.receive({ kind: 'head', job: 'u1', head: job({ now: 206.5 }) }, []);
  expect(store.view().skew).toBe(6.5);
});

test('requests everything after a lost message, once', () => {
  const { store, sent, clock } = storeWithChannel();
  store.receive(nodes(1, true, 1), []);
  store.receive(nodes(3, false, 1), []);
  store.receive(nodes(5, false, 1), []);
  expect(sent).toEqual(['ready']);
  clock.now += 2;
  vi.advanceTimersByTime(2000);
  expect(sent).toHaveLength(2);
  clock.now += 3;
  store.receive(nodes(9, false, 1), []);
  store.receive(nodes(20, true, 1), []);
  expect(sent).toHaveLength(3);
});

test('does not request again what has arrived in the meantime', () => {
  const { store, sent } = storeWithChannel();
  store.receive(nodes(1, true, 1), []);
  store.receive(nodes(3, false, 1), []);
  store.receive(nodes(5, false, 1), []);
  store.receive(nodes(6, true, 1), []);
  vi.advanceTimersByTime(5000);
  expect(sent).toEqual(['ready']);
});

test('keeps curves that did not change, until a reset', () => {
  const { store } = storeWithChannel();
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

test('an action is pending until the state shows its result', async () => {
  const { store, requests } = storeWithChannel();
  store.setJob(job(), { fresh: true });
  store.act('stop');
  expect(store.view().acting).toEqual({ is: 'requested', action: 'stop' });
  store.setJob(job({ step: 2600 }), { fresh: true });
  requests[0]?.answer({});
  await vi.advanceTimersByTimeAsync(0);
  expect(store.view().acting).toEqual({ is: 'done', action: 'stop' });
  store.setJob(job({ state: 'Stopped' }), { fresh: true });
  expect(store.view().acting).toEqual({ is: 'idle' });
});

test('an action that came too late ends with its answer', async () => {
  const { store, requests } = storeWithChannel();
  store.setJob(job({ state: 'Complete' }), { fresh: true });
  store.act('stop');
  requests[0]?.answer({});
  await vi.advanceTimersByTimeAsync(0);
  expect(store.view().acting).toEqual({ is: 'idle' });
});

test.each([
  ['stop', 'Stopped'],
  ['resume', 'Queued'],
  ['delete', 'Deleted']
] as const)('the state may come before the answer to %s', async (what, state) => {
  const { store, requests } = storeWithChannel();
  store.setJob(job({ state: what === 'resume' ? 'Stopped' : 'Running' }), { fresh: true });
  store.act(what);
  store.setJob(job({ state }), { fresh: true });
  expect(store.view().acting.is).toBe('idle');
  requests[0]?.answer({});
  await vi.advanceTimersByTimeAsync(0);
  expect(store.view().acting.is).toBe('idle');
});

test('a refusal is shown with its message', async () => {
  const { store, requests } = storeWithChannel();
  store.setJob(job(), { fresh: true });
  store.act('delete');
  requests[0]?.refuse('no right to delete');
  await vi.advanceTimersByTimeAsync(0);
  expect(store.view().acting).toEqual({ is: 'refused', action: 'delete', message: 'no right to delete' });
});

test('a rerun opens the new job', async () => {
  const { store, sent, requests } = storeWithChannel();
  store.act('rerun');
  requests[0]?.answer({ uid: 'u2', name: 'digits-again', differences: [] });
  await vi.advanceTimersByTimeAsync(0);
  expect(sent).toEqual(['open u2']);
  expect(store.view().acting.is).toBe('idle');
});

test('a rerun shows its differences', async () => {
  const { store, requests } = storeWithChannel();
  store.act('rerun');
  requests[0]?.answer({
    uid: 'u2',
    name: 'digits-again',
    differences: ['numpy is 2.4 now.', 'a.py changed.']
  });
  await vi.advanceTimersByTimeAsync(0);
  expect(store.view().acting).toEqual({
    is: 'noted',
    action: 'rerun',
    message: 'Differences: numpy is 2.4 now. a.py changed.'
  });
});

test('a late answer to one action does not affect the next', async () => {
  const { store, requests } = storeWithChannel();
  store.setJob(job({ state: 'Running' }), { fresh: true });
  store.act('stop');
  store.setJob(job({ state: 'Stopped' }), { fresh: true });
  store.act('resume');
  requests[0]?.answer({});
  await vi.advanceTimersByTimeAsync(0);
  expect(store.view().acting).toEqual({ is: 'requested', action: 'resume' });
  requests[1]?.refuse('no right');
  await vi.advanceTimersByTimeAsync(0);
  expect(store.view().acting.is).toBe('refused');
});

test('shows a message while a request is pending for long', async () => {
  const { store, requests } = storeWithChannel();
  const first = store.ask('earlier', {});
  await vi.advanceTimersByTimeAsync(LATE_AFTER_MS - 1);
  const second = store.ask('csv', { names: null });
  expect(store.view().late).toBe(false);
  await vi.advanceTimersByTimeAsync(1);
  expect(store.view().late).toBe(true);
  await vi.advanceTimersByTimeAsync(LATE_AFTER_MS);
  requests[0]?.answer({ jobs: [] });
  await first;
  expect(store.view().late).toBe(true);
  requests[1]?.answer({ rows: 0, complete: true });
  await second;
  expect(store.view().late).toBe(false);
});

test('ignores unknown messages', () => {
  const { store } = storeWithChannel();
  const before = store.view();
  store.receive({ kind: 'poem', job: 'u1' } as never, []);
  expect(store.view()).toBe(before);
});
