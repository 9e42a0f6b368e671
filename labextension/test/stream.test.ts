import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { type Away, type Opened, Stream } from '../src/core/stream';
import { job, row } from './jobs';
import { Wire } from './wire';

const HERE = { context: null, namespace: null, list: true };
const STARTED = { kind: 'started', context: 'trainjob-local', namespace: 'default' };

interface Net {
  wires: Wire[];
  stream: Stream;
  last: () => Wire;
}

function net(explain?: () => Promise<Away | null>): Net {
  const wires: Wire[] = [];
  const stream = new Stream(() => {
    wires.push(new Wire());
    return wires.at(-1) as Wire;
  }, explain);
  return { wires, stream, last: () => wires.at(-1) as Wire };
}

/** A stream with one place that has started. */
function started(): Net & { opened: Opened } {
  const made = net();
  const opened = made.stream.open(HERE);
  made.last().open();
  made.last().tell(STARTED);
  made.last().kinds();
  return { ...made, opened };
}

const trouble = ({ place }: Opened): string => place.view().trouble;

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test('nothing is connected before something is to be seen, and nothing stays when nobody looks', () => {
  const { wires, stream, last } = net();
  stream.wake();
  expect(wires).toEqual([]);
  const [a, b] = [stream.open(HERE), stream.open({ ...HERE, list: false })];
  expect(wires).toHaveLength(1);
  expect(last().binaryType).toBe('arraybuffer');
  last().open();
  a.close();
  expect(last().closed).toBe(false);
  b.close();
  expect(last().closed).toBe(true);
  expect(vi.getTimerCount()).toBe(0);
});

test('a place says where it wants to be, and hears where it is', () => {
  const { stream, last } = net();
  const opened = stream.open({ context: 'gpu', namespace: 'team', list: true });
  last().open();
  expect(last().said).toEqual([
    { kind: 'start', context: 'gpu', namespace: 'team', list: true, channel: 1 },
    { kind: 'ready', channel: 1 }
  ]);
  last().tell({ kind: 'started', context: 'gpu', namespace: 'team' });
  expect(opened.place.view()).toEqual({ context: 'gpu', namespace: 'team', trouble: '', login: '' });
});

test('each message goes to its place; one for a place that is closed goes nowhere', () => {
  const { stream, last } = net();
  const [a, b] = [stream.open(HERE), stream.open(HERE)];
  last().open();
  last().tell({ kind: 'jobs', reset: true, jobs: [row()], gone: [] }, 2);
  expect(a.place.jobs.view().rows).toBeNull();
  expect(b.place.jobs.view().rows).toHaveLength(1);
  b.close();
  last().tell({ kind: 'jobs', reset: true, jobs: [], gone: [] }, 2);
  expect(b.place.jobs.view().rows).toHaveLength(1);
});

test('binary parts come as what they are', () => {
  const { last, opened } = started();
  const { jobs } = opened.place;
  const receive = vi.spyOn(jobs, 'receive').mockReturnValue();
  const head = new TextEncoder().encode(
    JSON.stringify({ kind: 'curves', job: 'ü', channel: 1, buffers: [2, 0, 3] })
  );
  const frame = new Uint8Array([head.length, 0, 0, 0, ...head, 1, 2, 3, 4, 5]);
  last().bytes(frame.buffer);
  const [message, buffers] = receive.mock.calls[0] ?? [];
  expect(message).toMatchObject({ kind: 'curves', job: 'ü' });
  expect(buffers?.map(each => [...(each as Uint8Array)])).toEqual([[1, 2], [], [3, 4, 5]]);
});

test('a lost connection is made anew by itself, after pauses that grow, and everything starts again on it', () => {
  const { wires, last, opened } = started();
  opened.place.jobs.open('u1');
  last().tell({ kind: 'head', job: 'u1', head: job() });
  last().end();
  expect(trouble(opened)).toMatch(/does not answer/);
  expect(opened.place.jobs.view().open[0]?.view().job?.uid).toBe('u1');
  const waits = [500, 1000, 2000, 4000, 8000, 10_000, 10_000];
  for (const [i, wait] of waits.entries()) {
    vi.advanceTimersByTime(wait - 1);
    expect(wires).toHaveLength(i + 1);
    vi.advanceTimersByTime(1);
    expect(wires).toHaveLength(i + 2);
    last().end();
  }
  vi.advanceTimersByTime(10_000);
  last().open();
  expect(last().kinds()).toEqual(['start 1', 'open 1', 'ready 1']);
  last().tell(STARTED);
  expect(trouble(opened)).toBe('');
  last().end();
  vi.advanceTimersByTime(500);
  expect(wires).toHaveLength(waits.length + 3);
});

test('a place that is opened while the server is away says so at once', () => {
  const { stream, last } = started();
  last().end();
  expect(trouble(stream.open(HERE))).toMatch(/does not answer/);
});

test('what was asked of a connection that is lost fails in words', async () => {
  const { last, opened } = started();
  opened.place.jobs.open('u1');
  const answer = opened.place.jobs.view().open[0]?.ask('csv', { names: null });
  last().end();
  vi.advanceTimersByTime(500);
  last().open();
  await expect(answer).rejects.toThrow('The connection was lost');
});

test('after a sleep it is tried at once, not when the pause is over', () => {
  const { wires, stream, last } = started();
  last().end();
  stream.wake();
  expect(wires).toHaveLength(2);
  vi.advanceTimersByTime(600);
  expect(wires).toHaveLength(2);
});

test('a connection that only looks alive is given up: a ping has to be answered', () => {
  const { wires, stream, last, opened } = started();
  stream.wake();
  expect(last().kinds()).toEqual(['ping']);
  vi.advanceTimersByTime(9_000);
  last().tell({ kind: 'pong' }, undefined);
  vi.advanceTimersByTime(5_000);
  expect(trouble(opened)).toBe('');
  vi.advanceTimersByTime(1_000);
  expect(last().kinds()).toEqual(['ping']);
  vi.advanceTimersByTime(10_000);
  expect(trouble(opened)).toMatch(/does not answer/);
  expect(wires[0]?.closed).toBe(true);
  vi.advanceTimersByTime(500);
  last().open();
  wires[0]?.end();
  wires[0]?.tell(STARTED);
  expect(last().closed).toBe(false);
  expect(opened.place.view().context).toBe('trainjob-local');
  last().tell(STARTED);
  expect(trouble(opened)).toBe('');
});

test('a connection that never comes about is given up', () => {
  const { wires, stream } = net();
  const opened = stream.open(HERE);
  vi.advanceTimersByTime(20_000);
  expect(wires[0]?.closed).toBe(true);
  expect(trouble(opened)).toMatch(/does not answer/);
  vi.advanceTimersByTime(500);
  expect(wires).toHaveLength(2);
});

test('a place that was refused says why, and is asked for again until it is there or closed', () => {
  const { last, opened } = started();
  const refuse = (): void => last().tell({ kind: 'refused', why: 'The kubeconfig has no context gpu.' });
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

test('a refusal is forgotten with its connection', () => {
  const { last, opened } = started();
  last().tell({ kind: 'refused', why: 'no' });
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

test('a place that was closed opens again as it was, once, with the jobs that were open in it', () => {
  const { stream, last, opened } = started();
  stream.open(HERE);
  opened.place.jobs.open('u1');
  last().kinds();
  opened.close();
  opened.close();
  expect(last().kinds()).toEqual(['end 1']);
  opened.reopen();
  opened.reopen();
  expect(last().kinds()).toEqual(['start 1', 'open 1', 'ready 1']);
});

test('who is not logged in any more is told so, and where to log in; it heals by itself', async () => {
  const away = { trouble: 'You are not logged in any more.', login: '/login' };
  const { stream, last } = net(async () => away);
  const opened = stream.open(HERE);
  last().end();
  await vi.advanceTimersByTimeAsync(0);
  expect(opened.place.view()).toMatchObject(away);
  await vi.advanceTimersByTimeAsync(500);
  last().end();
  expect(opened.place.view(), 'no flicker').toMatchObject(away);
  await vi.advanceTimersByTimeAsync(1000);
  last().open();
  last().tell(STARTED);
  expect(opened.place.view()).toMatchObject({ trouble: '', login: '' });
});

test('why nothing came about is not said any more when something has', async () => {
  let said: (away: Away) => void = () => undefined;
  const { stream, last } = net(() => new Promise(resolve => (said = resolve)));
  const opened = stream.open(HERE);
  last().end();
  vi.advanceTimersByTime(500);
  last().open();
  last().tell(STARTED);
  said({ trouble: 'not logged in', login: '/login' });
  await vi.advanceTimersByTimeAsync(0);
  expect(trouble(opened)).toBe('');
});
