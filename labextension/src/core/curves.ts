/** Curves as they travel (binary columns) and as they are asked about (nearest point, table, summary). */
import { count, value } from './format';
import type { Curve } from './types';

/** Reads one curve: four columns of `points` doubles each, one after the other. */
export function decode(buffer: ArrayBufferView | ArrayBuffer, points: number, ranks: number): Curve {
  // A view into the socket's message may start anywhere, a Float64Array only at a multiple of eight: copy.
  const bytes = ArrayBuffer.isView(buffer)
    ? new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength)
    : new Uint8Array(buffer);
  const all = new Float64Array(bytes.slice(0, points * 32).buffer);
  const column = (n: number): Float64Array => all.subarray(n * points, (n + 1) * points);
  return { ranks, x: column(0), mean: column(1), low: column(2), high: column(3) };
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
    return `${name}: no points yet`;
  }
  const [from, to] = [row(curve, 0), row(curve, last)];
  return `${name}: ${from[1]} at step ${from[0]}, ${to[1]} at step ${to[0]}`;
}

/**
 * The stretch of steps to draw. Towards an announced end the axis is the whole way, or a half, a quarter … of it while
 * there is little to see: it changes a few times in a job's life, and the curve grows in between.
 */
export function stepRange(curve: Curve, total: number | null): [number, number] {
  const first = curve.x[0] ?? 0;
  const last = curve.x[curve.x.length - 1] ?? 1;
  let to = last;
  if (total !== null && total > last) {
    for (to = total; to / 2 >= last * 1.2 && to > 8; to /= 2);
  }
  const from = first > 0 && first < to * 0.05 ? 0 : first;
  return to > from ? [from, to] : [from, from + 1];
}

/** The stretch of values to draw: all of the range, with a little air, also where everything is equal. */
export function valueRange(curve: Curve): [number, number] {
  let [low, high] = [Infinity, -Infinity];
  for (let i = 0; i < curve.x.length; i++) {
    low = Math.min(low, finite(curve.low[i], low));
    high = Math.max(high, finite(curve.high[i], high));
  }
  if (low > high) {
    return [0, 1];
  }
  const air = high > low ? (high - low) * 0.06 : Math.abs(high) * 0.1 || 1;
  return [low - air, high + air];
}

function finite(x: number | undefined, otherwise: number): number {
  return x !== undefined && Number.isFinite(x) ? x : otherwise;
}
