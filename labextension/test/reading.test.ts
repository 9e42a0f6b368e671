import { describe, expect, test } from 'vitest';

import { appendLines } from '../src/core/log/logLines';
import type { Answer, WireLine } from '../src/core/protocol/messages';
import {
  type Reading,
  freeze,
  linesOf,
  searchStops,
  timeAbove,
  withFill,
  withFound,
  withPage
} from '../src/core/log/logReading';
import { NEWEST, indicesOf, spanOf } from '../src/core/log/visibleSpan';
import type { LogLine } from '../src/core/jobTypes';

const wire = (from: number, to: number): WireLine[] =>
  Array.from({ length: to - from }, (_, i) => [0, from + i, 0, `line ${from + i}`]);
/** A log that has received lines 90 to 99, and after a gap 110 to 119. */
const log = appendLines(
  appendLines([], wire(90, 100).map(numbered), 0, 'at 90'),
  wire(110, 120).map(numbered),
  10,
  'at 110'
);
function numbered([, time, node, text]: WireLine): WireLine {
  return [time, time, node, text];
}

const page = (from: number, to: number, more: boolean): Answer<'page'> => ({
  ...{ lines: wire(from, to), before: `at ${from}`, more, buffers: [] }
});
const hit = (from: number, to: number, at: number, more: boolean, skipped: number): Answer<'find'> => ({
  ...{ lines: wire(from, to), index: at - from, before: `at ${from}`, more, skipped, buffers: [] }
});
/** Describes lines as `90–99`, gaps as `(10)`. */
function rangesOf(reading: Reading): string {
  const parts: string[] = reading.more ? [`(${reading.before})`] : [];
  let run: number[] = [];
  const end = (): void => {
    parts.push(...(run.length > 0 ? [`${run[0]}–${run.at(-1)}`] : []));
    run = [];
  };
  for (const { time, skipped } of linesOf(reading)) {
    if (skipped > 0 || (run.length > 0 && time !== (run.at(-1) ?? 0) + 1)) {
      end();
    }
    if (skipped > 0) {
      parts.push(`(${skipped})`);
    }
    run.push(time);
  }
  end();
  return parts.join(' ');
}
const at = (reading: Reading, time: number): LogLine =>
  linesOf(reading).find(line => line.time === time) as LogLine;

describe('the log reader', () => {
  test('starts with a cursor for earlier lines', () => {
    expect(rangesOf(freeze(log))).toBe('(at 90) 90–99 (10) 110–119');
    expect(rangesOf(freeze(log.slice(1)))).toBe('(at 110) 110–119');
    expect(rangesOf(freeze([]))).toBe('');
  });

  test('loads earlier lines by pages', () => {
    const once = withPage(freeze(log), page(80, 90, true));
    expect(rangesOf(withPage(once, page(75, 80, false)))).toBe('75–99 (10) 110–119');
  });

  test('fills gaps by pages', () => {
    const reading = freeze(log);
    const part = withFill(reading, at(reading, 110), page(106, 110, true));
    expect(rangesOf(part)).toBe('(at 90) 90–99 (6) 106–119');
    expect(rangesOf(withFill(part, at(part, 106), page(98, 106, true)))).toBe('(at 90) 90–119');
  });

  test('inserts search results before all lines and in gaps', () => {
    const [far, number] = withFound(freeze(log), null, hit(10, 20, 15, true, 70));
    expect(rangesOf(far)).toBe('(at 10) 10–19 (70) 90–99 (10) 110–119');
    expect(at(far, 15).number).toBe(number);
    const [near] = withFound(far, at(far, 110), hit(103, 106, 104, true, 4));
    expect(rangesOf(near)).toBe('(at 10) 10–19 (70) 90–99 (3) 103–105 (4) 110–119');
    const [all] = withFound(near, null, hit(5, 10, 7, false, 0));
    expect(rangesOf(all)).toBe('5–19 (70) 90–99 (3) 103–105 (4) 110–119');
    expect(rangesOf(withFill(all, at(all, 90), page(20, 90, true)))).toBe('5–99 (3) 103–105 (4) 110–119');
    expect(rangesOf(freeze(all.held))).toBe('(at 90) 90–99 (3) 103–105 (4) 110–119');
    const numbers = linesOf(all).map(line => line.number);
    expect(new Set(numbers).size).toBe(numbers.length);
  });

  test('searches line by line and gap by gap', () => {
    const reading = freeze(log);
    const places = searchStops(reading);
    expect(places).toHaveLength(22);
    expect(places[0]).toEqual({ line: null, isGap: true });
    expect(places[11]).toEqual({ line: at(reading, 110), isGap: true });
    expect(timeAbove(reading, at(reading, 110))).toBe(99);
    expect(timeAbove(reading, at(reading, 90))).toBeNull();
  });
});

describe('the lines in the page', () => {
  const lines = appendLines(
    [],
    Array.from({ length: 4000 }, (_, i): WireLine => [i + 1, i, 0, `${i}`]),
    0
  );

  test.each<[title: string, span: ReturnType<typeof spanOf>, places: [number, number]]>([
    ['the newest, unless somebody goes elsewhere', null, [4000 - NEWEST, 4000]],
    ['a stretch', spanOf(lines, 1000, 1400), [1000, 1400]],
    ['one that ends with the newest', spanOf(lines, 3000, 9000), [3000, 4000]],
    ['one that begins with the first', spanOf(lines, -100, 300), [0, 300]],
    ['never all: what is far from the beginning goes', spanOf(lines, 100, 4000), [100, 1600]],
    ['or from the end', spanOf(lines, 100, 4000, 'to'), [2500, 4000]],
    ['a stretch whose lines are gone is the newest', { first: -1, last: -1 }, [4000 - NEWEST, 4000]]
  ])('%s', (_, span, places) => {
    expect(indicesOf(lines, span)).toEqual(places);
  });

  test('are empty for an empty log', () => {
    expect(spanOf([], -200, 200)).toBeNull();
    expect(indicesOf([], null)).toEqual([0, 0]);
  });
});
