/** Curves as they travel (binary columns) and as they are read (nearest point, table, summary). */
import { clock as clockText, count, value } from './format';
import { type Clock, type Line, type Look, type Pinned, nearest, times } from './layers';
import type { Bytes } from './protocol';
import type { Curve } from './types';
import { trans } from './words';
import type { Range } from './zoom';

/** Reads one curve: four columns of `points` doubles each, one after the other. */
export function decode(buffer: Bytes, points: number, ranks: number): Curve {
  const [x, mean, low, high] = columns(buffer, points, 4);
  return { ranks, x, mean, low, high } as Curve;
}

/** Reads one rank's numbers, or a clock: two columns. */
export function decodeLine(buffer: Bytes, points: number): Clock {
  const [x, y] = columns(buffer, points, 2);
  return { x, y } as Clock;
}

function columns(buffer: Bytes, points: number, count: number): Float64Array[] {
  // A view into the socket's message may start anywhere, a Float64Array only at a multiple of eight: copy.
  const bytes = ArrayBuffer.isView(buffer)
    ? new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
    : new Uint8Array(buffer);
  const all = new Float64Array(bytes.slice(0, points * count * 8).buffer);
  return Array.from({ length: count }, (_, n) => all.subarray(n * points, (n + 1) * points));
}

/** Whether ranks differ enough for a range to be worth a word. */
export function hasRange(curve: Curve): boolean {
  return curve.ranks > 1 && curve.low.some((low, i) => low !== curve.high[i]);
}

/** A row of the table: texts, ready to show. */
export type Row = [step: string, mean: string, low: string, high: string];

export const MAX_ROWS = 100;

/** The curve as a table of at most `MAX_ROWS` rows, the first and the last point among them. */
export function rows(curve: Curve): Row[] {
  const points = curve.x.length;
  const take = Math.min(points, MAX_ROWS);
  return Array.from({ length: take }, (_, k) =>
    row(curve, take === 1 ? 0 : Math.round((k * (points - 1)) / (take - 1)))
  );
}

/** One point as texts. */
export function row(curve: Curve, index: number): Row {
  return [
    count(curve.x[index] ?? 0),
    value(curve.mean[index] ?? NaN),
    value(curve.low[index] ?? NaN),
    value(curve.high[index] ?? NaN)
  ];
}

/** What the picture of a curve says to somebody who does not see it. */
export function summary(name: string, curve: Curve): string {
  const last = curve.x.length - 1;
  if (last < 0) {
    return trans.__('%1: no points yet', name);
  }
  const [from, to] = [row(curve, 0), row(curve, last)];
  return trans.__('%1: %2 at step %3, %4 at step %5', name, from[1], from[0], to[1], to[0]);
}

/** What is at the crosshair: the value, where that is, and what lies beside it. */
export interface Readout {
  main: string;
  /** The step, and the range over ranks. */
  rest: string;
  /** Chosen ranks and earlier jobs, where there are any. */
  more: string;
}

export function readout(
  curve: Curve,
  index: number,
  lines: readonly Line[] | null,
  pins: readonly Pinned[],
  clock: Clock | null,
  look: Look
): Readout {
  const step = curve.x[index] ?? 0;
  const [, main, low, high] = row(curve, index);
  const seconds = clock === null ? 0 : (times(Float64Array.of(step), clock)[0] ?? 0);
  const rest = [
    clock === null
      ? trans.__('step %1', count(step))
      : trans.__('step %1, %2', count(step), clockText(seconds))
  ];
  const more: string[] = [];
  if (look.ranks === 'band' || lines === null || lines.length === 0) {
    if (hasRange(curve)) {
      rest.push(`${low} – ${high}`);
    }
  } else if (look.ranks === 'some') {
    lines.forEach(line =>
      more.push(trans.__('rank %1 %2', line.rank, value(numberAt(line.x, line.y, step))))
    );
  } else {
    const sorted = lines
      .map(line => [numberAt(line.x, line.y, step), line.rank] as const)
      .filter(([number]) => !Number.isNaN(number))
      .sort(([a], [b]) => a - b);
    const [least, most] = [sorted[0], sorted[sorted.length - 1]];
    if (least && most) {
      const ends = [value(least[0]), least[1], value(most[0]), most[1]];
      rest.push(trans.__('%1 (rank %2) – %3 (rank %4)', ...ends));
    }
  }
  for (const { letter, curve: other, clock: otherClock } of pins) {
    // Beside each other at the same step, or at the same time since the start.
    const there =
      clock !== null && otherClock !== null
        ? numberAt(times(other.x, otherClock), other.mean, seconds)
        : numberAt(other.x, other.mean, step);
    more.push(`${letter} ${value(there)}`);
  }
  return { main, rest: rest.join(' · '), more: more.join(' · ') };
}

function numberAt(xs: Float64Array, ys: Float64Array, x: number): number {
  return ys[nearest(xs, x)] ?? NaN;
}

/** Ranks as people write them: `0, 3, 5-7`. At most as many as can be told apart. */
export function parseRanks(text: string, most = 8): number[] {
  const found = new Set<number>();
  for (const part of text.split(/[\s,;]+/)) {
    const [, from, to = from] = /^(\d+)(?:[-–](\d+))?$/.exec(part) ?? [];
    for (let rank = Number(from); rank <= Number(to) && found.size < most; rank++) {
      found.add(rank);
    }
  }
  return [...found].sort((a, b) => a - b);
}

/**
 * The stretch of steps to draw. Towards an announced end the axis is the whole way, or a half, a quarter … of it while
 * there is little to see: it changes a few times in a job's life, and the curve grows in between.
 */
export function stepRange(curves: readonly Curve[], total: number | null): Range {
  let [first, last] = [Infinity, -Infinity];
  for (const { x } of curves) {
    first = Math.min(first, x[0] ?? first);
    last = Math.max(last, x[x.length - 1] ?? last);
  }
  if (first > last) {
    return [0, 1];
  }
  let to = last;
  if (total !== null && total > last) {
    for (to = total; to / 2 >= last * 1.2 && to > 8; to /= 2);
  }
  const from = first > 0 && first < to * 0.05 ? 0 : first;
  return to > from ? [from, to] : [from, from + 1];
}
