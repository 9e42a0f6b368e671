import type { PartialJSONObject } from '@lumino/coreutils';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { Stream } from '../src/core/jobs/jobStream';
import { readOutput, JOB_MIME } from '../src/lab/outputs/outputMime';
import { LiveJob } from '../src/lab/outputs/liveJob';
import { job, row } from './jobs';
import { TestSocket } from './testSocket';

const STARTED = { kind: 'started', context: 'gpu', namespace: 'team' };

/** A saved output and its connection to the server. */
function saved(data: PartialJSONObject): { socket: TestSocket; live: LiveJob; changes: () => number } {
  const socket = new TestSocket();
  const saved = readOutput({ [JOB_MIME]: data });
  let changes = 0;
  const live = new LiveJob(
    new Stream(() => socket),
    saved as NonNullable<typeof saved>,
    () => (changes += 1)
  );
  return { socket, live, changes: () => changes };
}

const digits = { uid: 'u1', name: 'digits', context: 'gpu', namespace: 'team' };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('a saved job is requested from its cluster when visible, and drawn when the server has it', () => {
  const { socket, live, changes } = saved(digits);
  socket.open();
  expect(socket.sent).toEqual([]);
  live.setVisible(false);
  live.setVisible(true);
  socket.open();
  expect(socket.sent).toEqual([
    { kind: 'start', context: 'gpu', namespace: 'team', list: false, channel: 1 },
    { kind: 'open', job: 'u1', channel: 1 },
    { kind: 'ready', channel: 1 }
  ]);
  socket.deliver(STARTED);
  expect(live.channel).toBeNull();
  const before = changes();
  socket.deliver({ kind: 'head', job: 'u1', head: job() });
  expect(live.channel).not.toBeNull();
  expect(changes()).toBeGreaterThan(before);
});

test('a saved panel is drawn when its jobs are listed', () => {
  const { socket, live } = saved({ uid: '', name: '', context: '', namespace: '' });
  live.setVisible(true);
  socket.open();
  expect(socket.sent[0]).toEqual({ kind: 'start', context: null, namespace: null, list: true, channel: 1 });
  socket.deliver(STARTED);
  expect(live.channel).toBeNull();
  socket.deliver({ kind: 'jobs', reset: true, jobs: [row()], gone: [] });
  expect(live.channel).not.toBeNull();
});

test('a deleted job is not drawn, and the reason is shown', () => {
  const { socket, live } = saved(digits);
  live.setVisible(true);
  socket.open();
  socket.deliver(STARTED);
  expect(live.why).toBe('');
  socket.deliver({ kind: 'head', job: 'u1', head: job() });
  socket.deliver({ kind: 'head', job: 'u1', head: job({ state: 'Deleted' }) });
  expect(live.channel).toBeNull();
  expect(live.why).toBe('The job was deleted.');
  expect(live.isGone).toBe(true);
});

test('a refused channel is not drawn, and the reason is shown', () => {
  const { socket, live } = saved(digits);
  live.setVisible(true);
  socket.open();
  socket.deliver({ kind: 'refused', why: 'There is no context gpu.' });
  expect(live.channel).toBeNull();
  expect(live.why).toBe('There is no context gpu.');
});

test('a job stays drawn while the server is unreachable', () => {
  const { socket, live } = saved(digits);
  live.setVisible(true);
  socket.open();
  socket.deliver(STARTED);
  socket.deliver({ kind: 'head', job: 'u1', head: job() });
  socket.end();
  expect(live.channel?.view().trouble).toMatch(/does not answer/);
  expect(live.why).toBe('');
});

test('a view that is hidden for long is unsubscribed, and subscribed again when visible', () => {
  const { socket, live } = saved(digits);
  live.setVisible(true);
  socket.open();
  socket.deliver(STARTED);
  socket.deliver({ kind: 'head', job: 'u1', head: job() });
  socket.kinds();
  live.setVisible(false);
  vi.advanceTimersByTime(4000);
  live.setVisible(true);
  vi.advanceTimersByTime(6000);
  expect(socket.kinds()).toEqual([]);
  live.setVisible(false);
  vi.advanceTimersByTime(4000);
  live.setVisible(false);
  vi.advanceTimersByTime(1000);
  expect(socket.kinds().filter(kind => kind !== 'ping')).toEqual(['end 1']);
  expect(live.channel).not.toBeNull();
  live.setVisible(true);
  socket.open();
  expect(socket.kinds()).toEqual(['start 1', 'open 1', 'ready 1']);
});

test('a disposed view sends nothing, and leaves no connection', () => {
  const { socket, live, changes } = saved(digits);
  live.setVisible(true);
  socket.open();
  const before = changes();
  live.dispose();
  expect(socket.closed).toBe(true);
  socket.deliver({ kind: 'head', job: 'u1', head: job() });
  vi.advanceTimersByTime(60_000);
  expect(changes()).toBe(before);
  expect(live.channel).toBeNull();
});
