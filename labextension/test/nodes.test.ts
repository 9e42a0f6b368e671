import { describe, expect, test } from 'vitest';

import { bytes, details, gauges, nodeTone, note, stepTime, tally, worst } from '../src/core/nodes';
import { roving } from '../src/core/roving';
import type { Node, Rank } from '../src/core/types';
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
  ])('says %s', (_, given, words, tone) => {
    expect([note(node(given)), nodeTone(node(given))]).toEqual([words, tone]);
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
  ])('shows what it uses %s', (_, given, found) => {
    expect(gauges(node(given)).map(({ name, share }) => [name, share])).toEqual(found);
  });
});

test('all that is known of a node is told, and nothing else', () => {
  expect(details(node())).toEqual([
    ['state', 'Running'],
    ['pod', 'digits-node-0-0'],
    ['machine', 'gpu-a-17']
  ]);
  const given = node({
    restarts: 2,
    reason: 'OOMKilled',
    ranks: [rank(), rank({ rank: 1, step_time: 0.061, slow: true }), rank({ rank: 2, step_time: null })],
    usage: { ...usage, cpu_limit: null, gpus: [gpu] }
  });
  expect(Object.fromEntries(details(given))).toMatchObject({
    reason: 'OOMKilled',
    restarts: '2',
    'time of a step': 'rank 0: 38 ms · rank 1: 61 ms slow',
    CPU: '0.6',
    memory: '1.0 GiB of 2.0 GiB',
    'GPU 0': 'H100 · 50 % · 64 GiB of 128 GiB'
  });
  expect(details(node({ state: 'Failed', exit_code: 137 }))[0]).toEqual(['state', 'Failed, exit code 137']);
});

test('the failed node is looked at first, then the slow one', () => {
  const slow = node({ index: 1, ranks: [rank({ slow: true })] });
  const all = [node(), slow, node({ index: 2, state: 'Failed' })];
  expect(worst(all)?.index).toBe(2);
  expect(worst(all.slice(0, 2))?.index).toBe(1);
  expect(worst(all.slice(0, 1))?.index).toBe(0);
  expect(worst([])).toBeUndefined();
});

test('many nodes are counted, and the slow ones named', () => {
  const all = Array.from({ length: 64 }, (_, index) =>
    node({
      index,
      state: index === 9 ? 'Failed' : 'Running',
      ranks: [rank({ slow: index === 5 || index === 41 })]
    })
  );
  expect(tally(all)).toBe('64 nodes: 63 running, 1 failed; slow: 5, 41');
});

test.each([
  [0.00042, '0.42 ms'],
  [0.0384, '38 ms'],
  [1.24, '1.2 s'],
  [90, '1:30']
])('a step of %d s takes %s', (seconds, words) => {
  expect(stepTime(seconds)).toBe(words);
});

test.each([
  [0, '0 KiB'],
  [2 ** 29, '512 MiB'],
  [5.1 * 2 ** 30, '5.1 GiB'],
  [80 * 2 ** 30, '80 GiB'],
  [3 * 2 ** 40, '3.0 TiB'],
  [2000 * 2 ** 40, '2000 TiB']
])('%d bytes are %s', (n, words) => {
  expect(bytes(n)).toBe(words);
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
  ])('%s', (_, given, to) => {
    expect(roving(...given)).toBe(to);
  });
});
