import { describe, expect, test } from 'vitest';

import {
  shortStatus,
  bytes,
  nodeDetails,
  gauges,
  nodeTone,
  fullStatus,
  stepTimeText,
  nodeSummary,
  mostNotable
} from '../src/core/jobs/nodeText';
import { nextFocus } from '../src/core/rovingFocus';
import type { Node, Rank } from '../src/core/jobTypes';
import { node } from './jobs';

const rank = (part: Partial<Rank> = {}): Rank => ({
  rank: 0,
  step: 8,
  step_time: 0.038,
  slow: false,
  ...part
});
const usage = { time: 0, cpu: 0.6, cpu_limit: 2, memory: 2 ** 30, memory_limit: 2 ** 31, gpus: [] };
const gpu = { name: 'H100', busy: 0.5, memory: 2 ** 36, memory_total: 2 ** 37 };

describe('a tile', () => {
  test.each<[string, Partial<Node>, string, string]>([
    ['how fast it is', { ranks: [rank()] }, '38 ms', 'active'],
    ['how fast its slowest rank is', { ranks: [rank(), rank({ step_time: 0.1 })] }, '100 ms', 'active'],
    [
      'that it is slow, in a word',
      { ranks: [rank({ step_time: 0.061, slow: true })] },
      '61 ms slow',
      'waiting'
    ],
    ['that it runs, before the first steps', { ranks: [rank({ step_time: null })] }, 'Running', 'active'],
    [
      'what became of it, not how fast it was',
      { state: 'Failed', ranks: [rank({ slow: true })] },
      'Failed',
      'bad'
    ],
    ['that it is done, in a word that fits', { state: 'Succeeded' }, 'Done', 'good'],
    ['a state that only a newer kernel knows', { state: 'Dreaming' as never }, 'Dreaming', 'plain']
  ])('shows %s', (_, state, status, tone) => {
    expect([fullStatus(node(state)), nodeTone(node(state))]).toEqual([status, tone]);
  });

  test('shows the speed in a small tile, slow or not', () => {
    expect(shortStatus(node({ ranks: [rank({ step_time: 0.061, slow: true })] }))).toBe('61 ms');
    expect(shortStatus(node({ state: 'Waiting' }))).toBe('Waiting');
  });

  test.each<[string, Partial<Node>, [string, number][]]>([
    [
      'against limits',
      { usage },
      [
        ['CPU', 0.3],
        ['mem', 0.5]
      ]
    ],
    ['not without limits', { usage: { ...usage, cpu_limit: null, memory_limit: null } }, []],
    [
      'GPUs together',
      { usage: { ...usage, gpus: [gpu, { ...gpu, busy: 1 }, { ...gpu, busy: null }] } },
      [
        ['CPU', 0.3],
        ['mem', 0.5],
        ['GPU', 0.75]
      ]
    ],
    ['not after its end', { state: 'Failed', usage }, []]
  ])('shows its usage %s', (_, state, expected) => {
    expect(gauges(node(state)).map(({ name, share }) => [name, share])).toEqual(expected);
  });
});

test('node details list the known values only', () => {
  expect(nodeDetails(node())).toEqual([
    ['state', 'Running'],
    ['pod', 'digits-node-0-0'],
    ['machine', 'gpu-a-17']
  ]);
  const failed = node({
    restarts: 2,
    reason: 'OOMKilled',
    ranks: [rank(), rank({ rank: 1, step_time: 0.061, slow: true }), rank({ rank: 2, step_time: null })],
    usage: { ...usage, cpu_limit: null, gpus: [gpu] }
  });
  expect(Object.fromEntries(nodeDetails(failed))).toMatchObject({
    reason: 'OOMKilled',
    restarts: '2',
    'time of a step': 'rank 0: 38 ms · rank 1: 61 ms slow',
    CPU: '0.6',
    memory: '1.0 GiB of 2.0 GiB',
    'GPU 0': 'H100 · 50 % · 64 GiB of 128 GiB'
  });
  expect(nodeDetails(node({ state: 'Failed', exit_code: 137 }))[0]).toEqual([
    'state',
    'Failed, exit code 137'
  ]);
});

test('the failed node is selected first, then the slow one', () => {
  const slow = node({ index: 1, ranks: [rank({ slow: true })] });
  const all = [node(), slow, node({ index: 2, state: 'Failed' })];
  expect(mostNotable(all)?.index).toBe(2);
  expect(mostNotable(all.slice(0, 2))?.index).toBe(1);
  expect(mostNotable(all.slice(0, 1))?.index).toBe(0);
  expect(mostNotable([])).toBeUndefined();
});

test('many nodes are counted, and the slow ones named', () => {
  const all = Array.from({ length: 64 }, (_, index) =>
    node({
      index,
      state: index === 9 ? 'Failed' : 'Running',
      ranks: [rank({ slow: index === 5 || index === 41 })]
    })
  );
  expect(nodeSummary(all)).toBe('64 nodes: 63 running, 1 failed; slow: 5, 41');
});

test.each([
  [0.00042, '0.42 ms'],
  [0.0384, '38 ms'],
  [1.24, '1.2 s'],
  [90, '1:30']
])('a step time of %d s is shown as %s', (seconds, text) => {
  expect(stepTimeText(seconds)).toBe(text);
});

test.each([
  [0, '0 KiB'],
  [2 ** 29, '512 MiB'],
  [5.1 * 2 ** 30, '5.1 GiB'],
  [80 * 2 ** 30, '80 GiB'],
  [3 * 2 ** 40, '3.0 TiB'],
  [2000 * 2 ** 40, '2000 TiB']
])('%d bytes are %s', (n, text) => {
  expect(bytes(n)).toBe(text);
});

describe('arrows', () => {
  test.each<[string, [string, number, number, number], number | null]>([
    ['go down a list', ['ArrowDown', 0, 3, 1], 1],
    ['go round a list', ['ArrowUp', 0, 3, 1], 2],
    ['say nothing across a list', ['ArrowLeft', 0, 3, 1], null],
    ['go round a row', ['ArrowRight', 2, 3, 3], 0],
    ['say nothing beside a row', ['ArrowDown', 0, 3, 3], null],
    ['go to the next row', ['ArrowDown', 1, 16, 8], 9],
    ['stay where there is no row', ['ArrowDown', 9, 16, 8], 9],
    ['lead from row to row', ['ArrowRight', 7, 16, 8], 8],
    ['yield to Home', ['Home', 7, 16, 8], 0],
    ['yield to End', ['End', 7, 16, 8], 15],
    ['are the only letters', ['a', 7, 16, 8], null]
  ])('%s', (_, key, to) => {
    expect(nextFocus(...key)).toBe(to);
  });
});
