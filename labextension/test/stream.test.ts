import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { type ConnectionProblem, type OpenChannel, Stream } from '../src/core/jobs/jobStream';
import { job, row } from './jobs';
import { TestSocket } from './testSocket';

const HERE = { context: null, namespace: null, list: true };
const STARTED = { kind: 'started', context: 'trainjob-local', namespace: 'default' };

interface Net {
  sockets: TestSocket[];
  stream: Stream;
  last: () => TestSocket;
}

function net(explain?: () => Promise<ConnectionProblem | null>): Net {
  const sockets: TestSocket[] = [];
  const stream = new Stream(() => {
    sockets.push(new TestSocket());
    return sockets.at(-1) as TestSocket;
  }, explain);
  return { sockets, stream, last: () => sockets.at(-1) as TestSocket };
}

/** A stream with one channel that has started. */
function started(): Net & { opened: OpenChannel } {
  const made = net();
  const opened = made.stream.open(HERE);
  made.last().open();
  made.last().deliver(STARTED);
  made.last().kinds();
  return { ...made, opened };
}

const trouble = ({ channel }: OpenChannel): string => channel.view().trouble;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('the stream connects for the first visible channel, and disconnects after the last one', () => {
  const { sockets, stream, last } = net();
  stream.wake();
  expect(sockets).toEqual([]);
  const [a, b] = [stream.open(HERE), stream.open({ ...HERE, list: false })];
  expect(sockets).toHaveLength(1);
  expect(last().binaryType).toBe('arraybuffer');
  last().open();
  a.close();
  expect(last().closed).toBe(false);
  b.close();
  expect(last().closed).toBe(true);
  expect(vi.getTimerCount()).toBe(0);
});

test('a channel requests its context and namespace, and receives the resolved ones', () => {
  const { stream, last } = net();
  const opened = stream.open({ context: 'gpu', namespace: 'team', list: true });
  last().open();
  expect(last().sent).toEqual([
    { kind: 'start', context: 'gpu', namespace: 'team', list: true, channel: 1 },
    { kind: 'ready', channel: 1 }
  ]);
  last().deliver({ kind: 'started', context: 'gpu', namespace: 'team' });
  expect(opened.channel.view()).toEqual({ context: 'gpu', namespace: 'team', trouble: '', login: '' });
});

test('each message is delivered to its channel; messages for a closed channel are dropped', () => {
  const { stream, last } = net();
  const [a, b] = [stream.open(HERE), stream.open(HERE)];
  last().open();
  last().deliver({ kind: 'jobs', reset: true, jobs: [row()], gone: [] }, 2);
  expect(a.channel.jobs.view().rows).toBeNull();
  expect(b.channel.jobs.view().rows).toHaveLength(1);
  b.close();
  last().deliver({ kind: 'jobs', reset: true, jobs: [], gone: [] }, 2);
  expect(b.channel.jobs.view().rows).toHaveLength(1);
});

test('binary buffers are delivered unchanged', () => {
  const { last, opened } = started();
  const { jobs } = opened.channel;
  const receive = vi.spyOn(jobs, 'receive').mockReturnValue();
  const head = new TextEncoder().encode(
    JSON.stringify({ kind: 'curves', job: 'ü', channel: 1, buffers: [2, 0, 3] })
  );
  const frame = new Uint8Array([head.length, 0, 0, 0, ...head, 1, 2, 3, 4, 5]);
  last().bytes(frame.buffer);
  const [message, buffers] = receive.mock.calls[0] ?? [];
  expect(message).toMatchObject({ kind: 'curves', job: 'ü' });
  expect(buffers?.map(buffer => [...(buffer as Uint8Array)])).toEqual([[1, 2], [], [3, 4, 5]]);
});

test('a lost connection is reestablished with increasing delays, and all channels are opened again', () => {
  const { sockets, last, opened } = started();
  opened.channel.jobs.open('u1');
  last().deliver({ kind: 'head', job: 'u1', head: job() });
  last().end();
  expect(trouble(opened)).toMatch(/does not answer/);
  expect(opened.channel.jobs.view().open[0]?.view().job?.uid).toBe('u1');
  const waits = [500, 1000, 2000, 4000, 8000, 10_000, 10_000];
  for (const [i, wait] of waits.entries()) {
    vi.advanceTimersByTime(wait - 1);
    expect(sockets).toHaveLength(i + 1);
    vi.advanceTimersByTime(1);
    expect(sockets).toHaveLength(i + 2);
    last().end();
  }
  vi.advanceTimersByTime(10_000);
  last().open();
  expect(last().kinds()).toEqual(['start 1', 'open 1', 'ready 1']);
  last().deliver(STARTED);
  expect(trouble(opened)).toBe('');
  last().end();
  vi.advanceTimersByTime(500);
  expect(sockets).toHaveLength(waits.length + 3);
});

test('a channel that is opened while the server is unreachable reports it at once', () => {
  const { stream, last } = started();
  last().end();
  expect(trouble(stream.open(HERE))).toMatch(/does not answer/);
});

test('requests of a lost connection fail with a message', async () => {
  const { last, opened } = started();
  opened.channel.jobs.open('u1');
  const answer = opened.channel.jobs.view().open[0]?.ask('csv', { names: null });
  last().end();
  vi.advanceTimersByTime(500);
  last().open();
  await expect(answer).rejects.toThrow('The connection was lost');
});

test('after a sleep the connection is retried at once', () => {
  const { sockets, stream, last } = started();
  last().end();
  stream.wake();
  expect(sockets).toHaveLength(2);
  vi.advanceTimersByTime(600);
  expect(sockets).toHaveLength(2);
});

test('a connection without an answer to a ping is closed', () => {
  const { sockets, stream, last, opened } = started();
  stream.wake();
  expect(last().kinds()).toEqual(['ping']);
  vi.advanceTimersByTime(9_000);
  last().deliver({ kind: 'pong' }, undefined);
  vi.advanceTimersByTime(5_000);
  expect(trouble(opened)).toBe('');
  vi.advanceTimersByTime(1_000);
  expect(last().kinds()).toEqual(['ping']);
  vi.advanceTimersByTime(10_000);
  expect(trouble(opened)).toMatch(/does not answer/);
  expect(sockets[0]?.closed).toBe(true);
  vi.advanceTimersByTime(500);
  last().open();
  sockets[0]?.end();
  sockets[0]?.deliver(STARTED);
  expect(last().closed).toBe(false);
  expect(opened.channel.view().context).toBe('trainjob-local');
  last().deliver(STARTED);
  expect(trouble(opened)).toBe('');
});

test('a connection attempt times out', () => {
  const { sockets, stream } = net();
  const opened = stream.open(HERE);
  vi.advanceTimersByTime(20_000);
  expect(sockets[0]?.closed).toBe(true);
  expect(trouble(opened)).toMatch(/does not answer/);
  vi.advanceTimersByTime(500);
  expect(sockets).toHaveLength(2);
});

test('a refused channel shows the reason, and is retried until it is opened or closed', () => {
  const { last, opened } = started();
  const refuse = (): void => last().deliver({ kind: 'refused', why: 'The kubeconfig has no context gpu.' });
  refuse();
  refuse();
  expect(trouble(opened)).toBe('The kubeconfig has no context gpu.');
  vi.advanceTimersByTime(10_000);
  expect(
    last()
      .kinds()
      .filter(kind => kind === 'start 1')
  ).toHaveLength(1);
  refuse();
  opened.close();
  vi.advanceTimersByTime(60_000);
  expect(last().kinds()).not.toContain('start 1');
});

test('a refusal is cleared with its connection', () => {
  const { last, opened } = started();
  last().deliver({ kind: 'refused', why: 'no' });
  last().end();
  expect(trouble(opened)).toMatch(/does not answer/);
  vi.advanceTimersByTime(500);
  last().open();
  vi.advanceTimersByTime(9_999);
  expect(
    last()
      .kinds()
      .filter(kind => kind === 'start 1')
  ).toHaveLength(1);
});

test('a channel that was closed is opened again once, with its open jobs', () => {
  const { stream, last, opened } = started();
  stream.open(HERE);
  opened.channel.jobs.open('u1');
  last().kinds();
  opened.close();
  opened.close();
  expect(last().kinds()).toEqual(['end 1']);
  opened.reopen();
  opened.reopen();
  expect(last().kinds()).toEqual(['start 1', 'open 1', 'ready 1']);
});

test('an expired login is reported with a link, and cleared after the next login', async () => {
  const away = { trouble: 'You are not logged in any more.', login: '/login' };
  const { stream, last } = net(async () => away);
  const opened = stream.open(HERE);
  last().end();
  await vi.advanceTimersByTimeAsync(0);
  expect(opened.channel.view()).toMatchObject(away);
  await vi.advanceTimersByTimeAsync(500);
  last().end();
  expect(opened.channel.view(), 'no flicker').toMatchObject(away);
  await vi.advanceTimersByTimeAsync(1000);
  last().open();
  last().deliver(STARTED);
  expect(opened.channel.view()).toMatchObject({ trouble: '', login: '' });
});

test('a connection error is cleared after a successful connection', async () => {
  let explain: (problem: ConnectionProblem) => void = () => undefined;
  const { stream, last } = net(() => new Promise(resolve => (explain = resolve)));
  const opened = stream.open(HERE);
  last().end();
  vi.advanceTimersByTime(500);
  last().open();
  last().deliver(STARTED);
  explain({ trouble: 'not logged in', login: '/login' });
  await vi.advanceTimersByTimeAsync(0);
  expect(trouble(opened)).toBe('');
});
