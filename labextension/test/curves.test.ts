import { describe, expect, test } from 'vitest';

import { csvField, curvesCsv } from '../src/core/curves/curveCsv';
import {
  MAX_ROWS,
  decodeCurve,
  decodeLine,
  parseRanks,
  readout,
  tableRows,
  stepRange,
  curveSummary
} from '../src/core/curves/curveData';
import {
  type ChartSettings,
  type LayerInput,
  layersOf,
  logTicks,
  nearest,
  stepAt,
  tickText,
  secondsOf,
  valueRange
} from '../src/core/curves/curveLayers';
import { gapsOf, gapsText } from '../src/core/curves/gaps';
import { ema, smoothingWindow, smoothingText } from '../src/core/curves/smoothing';
import type { Curve } from '../src/core/jobTypes';
import { panRange, scaleRange, clampRange } from '../src/core/curves/zoomRange';

const of = (...numbers: number[]): Float64Array => Float64Array.from(numbers);

function curve(x: number[], mean: number[], low = mean, high = mean): Curve {
  return { ranks: 2, x: of(...x), mean: of(...mean), low: of(...low), high: of(...high) };
}

const SETTINGS: ChartSettings = {
  smooth: 0,
  ranks: 'band',
  logX: false,
  logY: false,
  time: false,
  zoom: null
};

function shown(part: Partial<LayerInput> = {}): LayerInput {
  const whole = curve([0, 10, 20], [3, 2, 1], [2, 1, 0], [4, 3, 2]);
  return { curve: whole, whole, lines: null, pins: [], clock: null, ...part };
}

describe('a gap', () => {
  test('is each stretch of one value that is not finite', () => {
    const gaps = gapsOf(curve([1, 2, 3, 4, 5, 6], [NaN, NaN, -Infinity, 0, Infinity, NaN]));
    expect(gaps).toEqual([
      { value: NaN, from: 1, to: 2 },
      { value: -Infinity, from: 3, to: 3 },
      { value: Infinity, from: 5, to: 5 },
      { value: NaN, from: 6, to: 6 }
    ]);
    expect(gapsText(gaps)).toBe('nan at steps 1 to 2, -inf at step 3 and 2 more');
    expect(gapsText([])).toBe('');
  });

  test('has no range across ranks', () => {
    const broken = curve([12], [Infinity], [NaN], [NaN]);
    expect(tableRows(broken)).toEqual([['12', 'inf', 'inf', 'inf']]);
    expect(readout(broken, 0, null, [], null, SETTINGS)).toMatchObject({ main: 'inf', rest: 'step 12' });
  });
});

describe('a curve', () => {
  test('is decoded from a buffer with any offset', () => {
    const bytes = new Uint8Array(3 + 64);
    bytes.set(new Uint8Array(of(0, 8, 1, 2, 3, 4, 5, 6).buffer), 3);
    const read = decodeCurve(new DataView(bytes.buffer, 3), 2, 8);
    expect([read.x, read.mean, read.low, read.high].map(column => [...column])).toEqual([
      [0, 8],
      [1, 2],
      [3, 4],
      [5, 6]
    ]);
    expect([...decodeLine(bytes.buffer.slice(3), 3).y]).toEqual([2, 3, 4]);
  });

  test('as a table contains its first and its last point', () => {
    const x = Array.from({ length: 1000 }, (_, i) => i);
    const table = tableRows(curve(x, x));
    expect([table.length, table[0]?.[0], table.at(-1)?.[0]]).toEqual([MAX_ROWS, '0', '999']);
    expect(tableRows(curve([], []))).toEqual([]);
  });

  test('as text shows its first and its current value', () => {
    expect(curveSummary('loss', curve([0, 2592], [2.3, 0.184]))).toBe(
      'loss: 2.300 at step 0, 0.1840 at step 2,592'
    );
    expect(curveSummary('loss', curve([], []))).toBe('loss: no points yet');
    expect(curveSummary('loss', curve([0, 12, 13], [2, Infinity, 1]))).toBe(
      'loss: 2 at step 0, 1 at step 13, inf at step 12'
    );
  });

  test.each([
    ['near the end the axis is the whole way', 2592, 3600, [0, 3600]],
    ['at the start a part of it', 24, 3600, [0, 56.25]],
    ['without a total what there is', 24, null, [0, 24]],
    ['beyond the total what there is', 4000, 3600, [0, 4000]],
    ['one point lies in the middle', 0, null, [-0.5, 0.5]]
  ])('%s', (_, last, total, range) => {
    expect(stepRange([curve([0, last], [1, 1])], total)).toEqual(range);
  });

  test('next to others is scaled to include all of them', () => {
    expect(stepRange([curve([5, 90], [1, 1]), curve([3, 40], [1, 1]), curve([], [])], null)).toEqual([0, 90]);
    expect(stepRange([], 100)).toEqual([0, 1]);
  });
});

describe('parsing of rank lists', () => {
  test.each([
    ['0, 3, 5-7', [0, 3, 5, 6, 7]],
    ['7;3 3', [3, 7]],
    ['5–6', [5, 6]],
    ['', []],
    ['all, -2, 1e3', []],
    ['0-999', [0, 1, 2, 3, 4, 5, 6, 7]]
  ])('%j', (text, ranks) => {
    expect(parseRanks(text)).toEqual(ranks);
  });
});

describe('smoothing', () => {
  test('off leaves values unchanged', () => {
    expect(smoothingWindow(0, 1000)).toBe(0);
    expect([smoothingText(0), smoothingText(8)]).toEqual(['off', 'over 13 % of the steps']);
  });

  test('keeps a flat line flat from its first point on', () => {
    expect([...ema(of(0, 1, 5, 50), of(2, 2, 2, 2), 10)]).toEqual([2, 2, 2, 2]);
  });

  test('follows a step at the given rate', () => {
    const x = Float64Array.from({ length: 200 }, (_, i) => i);
    const y = x.map(step => (step < 100 ? 0 : 1));
    const soft = ema(x, y, 10);
    expect(soft[99]).toBe(0);
    expect(soft[109]).toBeCloseTo(1 - Math.exp(-1), 1);
    expect(soft[199]).toBeCloseTo(1, 3);
  });

  test('leaves a gap where there is no number, and continues after it', () => {
    const soft = ema(of(0, 1, 2, 3), of(1, NaN, Infinity, 1), 10);
    expect([...soft]).toEqual([1, NaN, NaN, 1]);
  });

  test('of a part continues from the preceding values', () => {
    const x = Float64Array.from({ length: 100 }, (_, i) => i);
    const y = x.map(step => Math.sin(step / 7) + step / 50);
    const whole = ema(x, y, 12);
    const part = ema(x.subarray(60), y.subarray(60), 12, whole[59]);
    expect(part[0]).toBeCloseTo(whole[60] ?? 0, 1);
    expect(part[39]).toBeCloseTo(whole[99] ?? 0, 2);
  });
});

describe('zooming', () => {
  test.each([
    ['a stretch', [20, 40], [20, 40]],
    ['one drawn from right to left', [40, 20], [20, 40]],
    ['one beyond the end is moved in', [90, 110], [80, 100]],
    ['one of no width gets the least', [50, 50], [50, 50.001]],
    ['everything is no zoom', [-5, 130], null]
  ])('%s', (_, range, result) => {
    expect(clampRange(range as [number, number], [0, 100])).toEqual(result);
  });

  test('keeps the step under the pointer in place', () => {
    expect(scaleRange(null, [0, 100], 0.5, 20)).toEqual([10, 60]);
    expect(scaleRange([10, 60], [0, 100], 0.5)).toEqual([22.5, 47.5]);
    expect(scaleRange([10, 60], [0, 100], 4)).toBeNull();
  });

  test('moves by a share of the visible range, up to the ends', () => {
    expect(panRange([10, 20], [0, 100], 0.5)).toEqual([15, 25]);
    expect(panRange([10, 20], [0, 100], -9)).toEqual([0, 10]);
    expect(panRange(null, [0, 100], 0.5)).toBeNull();
  });
});

describe('the clock', () => {
  const clock = { x: of(0, 10, 30), y: of(0, 5, 45) };

  test('maps steps to times and back, and extrapolates at the mean rate', () => {
    expect([...secondsOf(of(0, 5, 10, 20, 30, 60), clock)]).toEqual([0, 2.5, 5, 25, 45, 90]);
    expect([stepAt(25, clock), stepAt(90, clock)]).toEqual([20, 60]);
  });

  test('with a single time does not divide by zero', () => {
    expect([...secondsOf(of(3), { x: of(3), y: of(7) })]).toEqual([7]);
    expect(stepAt(5, { x: of(1, 2), y: of(5, 5) })).toBe(1);
  });
});

describe('layers of a chart', () => {
  const kinds = (part: Partial<LayerInput>, settings: Partial<ChartSettings>): string[] =>
    layersOf(shown(part), { ...SETTINGS, ...settings }).map(layer => layer.kind);
  const lines = [
    { rank: 3, x: of(0, 20), y: of(1, 5) },
    { rank: 4, x: of(0, 20), y: of(2, 1) }
  ];

  test('are the range and the mean, with the raw mean faint below a smoothed one', () => {
    expect(kinds({}, {})).toEqual(['band', 'main']);
    expect(kinds({}, { smooth: 4 })).toEqual(['band', 'faint', 'main']);
  });

  test('are single ranks, or the mean until they have been received', () => {
    expect(kinds({ lines }, { ranks: 'all' })).toEqual(['rank', 'rank']);
    expect(kinds({}, { ranks: 'all' })).toEqual(['main']);
    const chosen = layersOf(shown({ lines }), { ...SETTINGS, ranks: 'some' });
    expect(chosen.map(layer => [layer.label, layer.nth])).toEqual([
      ['3', 0],
      ['4', 1]
    ]);
  });

  test('have earlier jobs behind them, each with its letter and dash pattern', () => {
    const pin = { letter: 'A', nth: 1, curve: curve([0, 5], [1, 1]), clock: { x: of(0, 5), y: of(0, 50) } };
    const clock = { x: of(0, 20), y: of(0, 40) };
    const [, pinned, main] = layersOf(shown({ pins: [pin], clock }), { ...SETTINGS, time: true });
    expect([pinned?.label, pinned?.nth, [...(pinned?.x ?? [])]]).toEqual(['A', 1, [0, 50]]);
    expect([...(main?.x ?? [])]).toEqual([0, 20, 40]);
  });

  test('are scaled to the range, to a flat line, and to the visible part', () => {
    const range = (given: Curve, seen?: [number, number]): string[] | undefined =>
      valueRange(layersOf(shown({ curve: given, whole: given }), SETTINGS), false, seen)?.map(y =>
        y.toFixed(2)
      );
    expect(range(curve([0, 1], [1, 1], [0, 1], [1, 2]))).toEqual(['-0.12', '2.12']);
    expect(range(curve([0, 1], [5, 5]))).toEqual(['4.50', '5.50']);
    expect(range(curve([0], [NaN]))).toBeUndefined();
    expect(range(curve([0, 1, 2], [100, 0, 1]), [0.5, 3])).toEqual(['-0.06', '1.06']);
  });

  test('omit values that are not positive on a logarithmic axis', () => {
    const given = curve([0, 1], [10, 100], [-1, 10], [10, 1000]);
    expect(valueRange(layersOf(shown({ curve: given }), SETTINGS), true)?.map(Math.round)).toEqual([9, 1150]);
    expect(valueRange(layersOf(shown({ curve: curve([0], [-1]) }), SETTINGS), true)).toBeNull();
  });
});

test.each([
  ['ones, twos and fives', 0.3, 30, [0.5, 1, 2, 5, 10, 20]],
  ['powers of ten where there are many', 1, 1e5, [1, 10, 100, 1000, 1e4, 1e5]],
  ['some of them where there are too many', 1e-9, 1e9, [1e-9, 1e-6, 1e-3, 1, 1e3, 1e6, 1e9]]
])('a logarithmic axis has %s', (_, from, to, ticks) => {
  expect(logTicks(from, to)).toEqual(ticks);
});

test.each([
  [0, '0'],
  [0.30000000000000004, '0.3'],
  [2500, '2,500'],
  [-1.5e-9, '-1.5e-9'],
  [2e7, '2e7']
])('a mark at %d reads %s', (x, text) => {
  expect(tickText(x)).toBe(text);
});

describe('at the crosshair', () => {
  test('the nearest point is read', () => {
    const xs = of(0, 10, 20);
    expect([-5, 4, 6, 14, 99].map(x => nearest(xs, x))).toEqual([0, 0, 1, 1, 2]);
    expect(nearest(of(), 1)).toBe(-1);
  });

  test.each([
    ['the range over ranks', {}, 'band' as const, 'step 10 · 1 – 3', ''],
    ['the least and the most of all ranks', {}, 'all' as const, 'step 10 · 1 (rank 4) – 5 (rank 3)', ''],
    ['each of the chosen', {}, 'some' as const, 'step 10', 'rank 3 5 · rank 4 1'],
    ['an earlier job', { letter: 'A' }, 'band' as const, 'step 10 · 1 – 3', 'A 7']
  ])('says %s', (_, pinned, ranks, rest, more) => {
    const { curve: given } = shown();
    const lines = [
      { rank: 3, x: of(9), y: of(5) },
      { rank: 4, x: of(9), y: of(1) }
    ];
    const pin = { letter: 'A', nth: 1, curve: curve([0, 11], [1, 7]), clock: null };
    expect(readout(given, 1, lines, 'letter' in pinned ? [pin] : [], null, { ...SETTINGS, ranks })).toEqual({
      main: '2',
      rest,
      more
    });
  });
});

describe('CSV', () => {
  test('has one row for each point', () => {
    expect(curvesCsv([['loss', curve([0, 8], [2, NaN], [1, 1], [3, 3])]])).toBe(
      'metric,step,mean,low,high\r\nloss,0,2,1,3\r\nloss,8,NaN,1,3\r\n'
    );
  });

  test.each([
    ['plain', 'plain'],
    ['with, comma', '"with, comma"'],
    ['a "quote"', '"a ""quote"""'],
    ['=cmd()', "'=cmd()"]
  ])('writes %j as %j', (text, written) => {
    expect(csvField(text)).toBe(written);
  });
});
