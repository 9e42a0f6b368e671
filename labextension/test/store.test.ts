import { expect, test } from 'vitest';

import { JobStore } from '../src/core/store';
import type { FromKernel, ToKernel } from '../src/core/types';
import { job } from './jobs';

function made(): { store: JobStore; sent: ToKernel[]; clock: { now: number } } {
  const sent: ToKernel[] = [];
  const clock = { now: 200 };
  return {
    store: new JobStore(
      message => sent.push(message),
      () => clock.now
    ),
    sent,
    clock
  };
}

const log = (seq: number, reset: boolean, ...texts: string[]): FromKernel => ({
  kind: 'log',
  seq,
  reset,
  lines: texts.map((text, i) => [seq * 100 + i, 0, text])
});

test('tells its listeners of each change, until they leave', () => {
  const { store } = made();
  let told = 0;
  const leave = store.subscribe(() => told++);
  store.setJob(job(), { fresh: true });
  store.receive(log(1, true, 'a'), []);
  leave();
  store.receive(log(2, false, 'b'), []);
  expect(told).toBe(2);
  expect(store.view().log.map(line => line.text)).toEqual(['a', 'b']);
});

test("knows how far the kernel's clock is from ours", () => {
  const { store } = made();
  store.setJob(job({ now: 100 }), { fresh: false });
  expect(store.view().skew).toBe(0);
  store.setJob(job({ now: 206.5 }), { fresh: true });
  expect(store.view().skew).toBe(6.5);
});

test('asks for everything when a message was lost, but not again and again', () => {
  const { store, sent, clock } = made();
  store.receive(log(1, true, 'a'), []);
  store.receive(log(3, false, 'c'), []);
  store.receive(log(5, false, 'e'), []);
  expect(sent).toEqual([{ kind: 'ready' }]);
  clock.now += 3;
  store.receive(log(9, false, 'i'), []);
  expect(sent).toHaveLength(2);
});

test('replaces everything on a reset', () => {
  const { store, sent } = made();
  store.receive(log(1, true, 'a'), []);
  store.receive(log(7, true, 'z'), []);
  expect(store.view().log.map(line => line.text)).toEqual(['z']);
  expect(sent).toEqual([]);
});

test('keeps curves that did not change', () => {
  const { store } = made();
  const point = (y: number): DataView => new DataView(Float64Array.from([0, y, y, y]).buffer);
  const heads = (...names: string[]) => names.map(name => ({ name, ranks: 1, points: 1 }));
  store.receive({ kind: 'curves', seq: 1, reset: true, curves: heads('loss', 'lr') }, [point(2), point(0.1)]);
  store.receive({ kind: 'curves', seq: 2, reset: false, curves: heads('loss') }, [point(1)]);
  const { curves } = store.view();
  expect([curves.get('loss')?.mean[0], curves.get('lr')?.mean[0]]).toEqual([1, 0.1]);
});

test('stops once, and waits for the state or for the refusal', () => {
  const { store, sent } = made();
  store.setJob(job(), { fresh: true });
  store.stop();
  expect(sent).toEqual([{ kind: 'stop' }]);
  expect(store.view().stopping).toEqual({ is: 'asked', since: 200 });
  store.receive({ kind: 'refused', message: 'no' }, []);
  expect(store.view().stopping).toEqual({ is: 'refused', message: 'no' });
  store.stop();
  store.setJob(job({ state: 'Stopped' }), { fresh: true });
  expect(store.view().stopping).toEqual({ is: 'idle' });
});

test('does not mind what it does not know', () => {
  const { store } = made();
  const before = store.view();
  store.receive({ kind: 'poem' } as unknown as FromKernel, []);
  store.setJob({} as never, { fresh: true });
  expect(store.view()).toBe(before);
});
