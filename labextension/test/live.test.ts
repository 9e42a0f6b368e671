import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { Stream } from '../src/core/stream';
import { read, JOB } from '../src/lab/bundle';
import { LiveJob } from '../src/lab/liveJob';
import { job, row } from './jobs';
import { Wire } from './wire';

const STARTED = { kind: 'started', context: 'gpu', namespace: 'team' };

/** A saved output, and the server that it is drawn from. */
function saved(data: object): { wire: Wire; live: LiveJob; changes: () => number } {
  const wire = new Wire();
  const found = read({ [JOB]: data });
  let changes = 0;
  const live = new LiveJob(new Stream(() => wire), found as NonNullable<typeof found>, () => (changes += 1));
  return { wire, live, changes: () => changes };
}

const digits = { uid: 'u1', name: 'digits', context: 'gpu', namespace: 'team' };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('a saved job is asked for where it was, once it is seen, and drawn when the server knows it', () => {
  const { wire, live, changes } = saved(digits);
  wire.open();
  expect(wire.said).toEqual([]);
  live.see(false);
  live.see(true);
  wire.open();
  expect(wire.said).toEqual([
    { kind: 'start', context: 'gpu', namespace: 'team', list: false, channel: 1 },
    { kind: 'open', job: 'u1', channel: 1 },
    { kind: 'ready', channel: 1 }
  ]);
  wire.tell(STARTED);
  expect(live.place).toBeNull();
  const before = changes();
  wire.tell({ kind: 'head', job: 'u1', head: job() });
  expect(live.place).not.toBeNull();
  expect(changes()).toBeGreaterThan(before);
});

test('a saved panel is drawn when its jobs are known', () => {
  const { wire, live } = saved({ uid: '', name: '', context: '', namespace: '' });
  live.see(true);
  wire.open();
  expect(wire.said[0]).toEqual({ kind: 'start', context: null, namespace: null, list: true, channel: 1 });
  wire.tell(STARTED);
  expect(live.place).toBeNull();
  wire.tell({ kind: 'jobs', reset: true, jobs: [row()], gone: [] });
  expect(live.place).not.toBeNull();
});

test('a job that is gone is not drawn, and why is said', () => {
  const { wire, live } = saved(digits);
  live.see(true);
  wire.open();
  wire.tell(STARTED);
  expect(live.why).toBe('');
  wire.tell({ kind: 'head', job: 'u1', head: job() });
  wire.tell({ kind: 'head', job: 'u1', head: job({ state: 'Deleted' }) });
  expect(live.place).toBeNull();
  expect(live.why).toBe('The job was deleted.');
  expect(live.isGone).toBe(true);
});

test('a place that is refused is not drawn, and why is said', () => {
  const { wire, live } = saved(digits);
  live.see(true);
  wire.open();
  wire.tell({ kind: 'refused', why: 'There is no context gpu.' });
  expect(live.place).toBeNull();
  expect(live.why).toBe('There is no context gpu.');
});

test('a job stays drawn as it was while the server is away', () => {
  const { wire, live } = saved(digits);
  live.see(true);
  wire.open();
  wire.tell(STARTED);
  wire.tell({ kind: 'head', job: 'u1', head: job() });
  wire.end();
  expect(live.place?.view().trouble).toMatch(/does not answer/);
  expect(live.why).toBe('');
});

test('what is out of sight for long is told nothing any more, and goes on when it is seen again', () => {
  const { wire, live } = saved(digits);
  live.see(true);
  wire.open();
  wire.tell(STARTED);
  wire.tell({ kind: 'head', job: 'u1', head: job() });
  wire.kinds();
  live.see(false);
  vi.advanceTimersByTime(4000);
  live.see(true);
  vi.advanceTimersByTime(6000);
  expect(wire.kinds()).toEqual([]);
  live.see(false);
  vi.advanceTimersByTime(4000);
  live.see(false); // What changes meanwhile has it looked at again.
  vi.advanceTimersByTime(1000);
  expect(wire.kinds().filter(kind => kind !== 'ping')).toEqual(['end 1']);
  expect(live.place).not.toBeNull();
  live.see(true);
  wire.open();
  expect(wire.kinds()).toEqual(['start 1', 'open 1', 'ready 1']);
});

test('what is disposed of says nothing more, and leaves no connection', () => {
  const { wire, live, changes } = saved(digits);
  live.see(true);
  wire.open();
  const before = changes();
  live.dispose();
  expect(wire.closed).toBe(true);
  wire.tell({ kind: 'head', job: 'u1', head: job() });
  vi.advanceTimersByTime(60_000);
  expect(changes()).toBe(before);
  expect(live.place).toBeNull();
});
