/** Curve decoding from binary columns, and curves as text: readout, table, summary. */
import { clock as clockText, count, value } from '../format';
import { type Clock, type Line, type ChartSettings, type Pinned, nearest, secondsOf } from './curveLayers';
import { gapsOf, gapsText } from './gaps';
import type { Bytes } from '../protocol/messages';
import type { Curve } from '../jobTypes';
import { trans } from '../i18n';
import type { Range } from './zoomRange';

/** Reads one curve: four columns of `points` doubles each, one after the other. */
export function decodeCurve(buffer: Bytes, points: number, ranks: number): Curve {
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

/** Whether the ranks' values differ at any point, so that a range is shown. */
export function hasRange(curve: Curve): boolean {
  return curve.ranks > 1 && curve.low.some((low, i) => low !== curve.high[i]);
}

/** A row of the table: texts, ready to show. */
export type Row = [step: string, mean: string, low: string, high: string];

export const MAX_ROWS = 100;

/** The curve as a table of at most `MAX_ROWS` rows, the first and the last point among them. */
export function tableRows(curve: Curve): Row[] {
  const points = curve.x.length;
  const take = Math.min(points, MAX_ROWS);
  return Array.from({ length: take }, (_, k) =>
    tableRow(curve, take === 1 ? 0 : Math.round((k * (points - 1)) / (take - 1)))
  );
}

/** One point as texts. */
export function tableRow(curve: Curve, index: number): Row {
  const mean = curve.mean[index] ?? NaN;
  // Without a finite value of any rank there is no range either.
  const [low, high] = Number.isFinite(mean) ? [curve.low[index], curve.high[index]] : [mean, mean];
  return [count(curve.x[index] ?? 0), value(mean), value(low ?? NaN), value(high ?? NaN)];
}

/** The text alternative of a chart. */
export function curveSummary(name: string, curve: Curve): string {
  const last = curve.x.length - 1;
  if (last < 0) {
    return trans.__('%1: no points yet', name);
  }
  const [from, to] = [tableRow(curve, 0), tableRow(curve, last)];
  const ends = trans.__('%1: %2 at step %3, %4 at step %5', name, from[1], from[0], to[1], to[0]);
  return [ends, gapsText(gapsOf(curve))].filter(part => part !== '').join(', ');
}

/** The values at the crosshair. */
export interface Readout {
  main: string;
  /** The step, and the range over ranks. */
  rest: string;
  /** The values of selected ranks and of earlier jobs; empty without any. */
  more: string;
}

export function readout(
  curve: Curve,
  index: number,
  lines: readonly Line[] | null,
  pins: readonly Pinned[],
  clock: Clock | null,
  settings: ChartSettings
): Readout {
  const step = curve.x[index] ?? 0;
  const [, main, low, high] = tableRow(curve, index);
  const seconds = clock === null ? 0 : (secondsOf(Float64Array.of(step), clock)[0] ?? 0);
  const rest = [
    clock === null
      ? trans.__('step %1', count(step))
      : trans.__('step %1, %2', count(step), clockText(seconds))
  ];
  const more: string[] = [];
  if (settings.ranks === 'band' || lines === null || lines.length === 0) {
    if (hasRange(curve) && Number.isFinite(curve.mean[index])) {
      rest.push(`${low} – ${high}`);
    }
  } else if (settings.ranks === 'some') {
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
    // The earlier job's value at the same step, or at the same time since its start.
    const otherValue =
      clock !== null && otherClock !== null
        ? numberAt(secondsOf(other.x, otherClock), other.mean, seconds)
        : numberAt(other.x, other.mean, step);
    more.push(`${letter} ${value(otherValue)}`);
  }
  return { main, rest: rest.join(' · '), more: more.join(' · ') };
}

/** The last values of earlier jobs, by their letters. */
export function lastValues(pins: readonly Pinned[]): string {
  return pins.map(({ letter, curve }) => `${letter} ${value(curve.mean.at(-1) ?? NaN)}`).join(' · ');
}

function numberAt(xs: Float64Array, ys: Float64Array, x: number): number {
  return ys[nearest(xs, x)] ?? NaN;
}

/** Parses a list of ranks such as `0, 3, 5-7`; at most `most` of them, as more lines could not be distinguished. */
export function parseRanks(text: string, most = 8): number[] {
  const ranks = new Set<number>();
  for (const part of text.split(/[\s,;]+/)) {
    const [, from, to = from] = /^(\d+)(?:[-–](\d+))?$/.exec(part) ?? [];
    for (let rank = Number(from); rank <= Number(to) && ranks.size < most; rank++) {
      ranks.add(rank);
    }
  }
  return [...ranks].sort((a, b) => a - b);
}

/**
 * The range of steps to draw. With a known total the axis ends at the total, or at a half, a quarter … of it while few
 * steps are done: the axis then changes only a few times during a job.
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
  // A single step lies in the middle.
  return to > from ? [from, to] : [from - 0.5, from + 0.5];
}
