/** What is drawn of one metric, from what is known of it and how it is looked at. Pure: the chart only strokes it. */
import { count } from './format';
import { ema, reach } from './smooth';
import type { Curve } from './types';
import { trans } from './words';
import type { Range, Zoom } from './zoom';

/** One rank's numbers over steps. */
export interface Line {
  rank: number;
  x: Float64Array;
  y: Float64Array;
}

/** When each step was: seconds since the first. Rises. */
export type Clock = Pick<Line, 'x' | 'y'>;

/** How all curves are looked at. */
export interface Look {
  /** 0 is as reported; see `smooth.reach`. */
  smooth: number;
  ranks: 'band' | 'all' | 'some';
  logX: boolean;
  logY: boolean;
  time: boolean;
  zoom: Zoom;
}

/** How curves are looked at unless somebody says otherwise. */
export const PLAIN: Look = { smooth: 0, ranks: 'band', logX: false, logY: false, time: false, zoom: null };

/** In words, where it is another way. */
export function differences(look: Look): string[] {
  return [
    look.zoom !== null && trans.__('steps %1 to %2', count(look.zoom[0]), count(look.zoom[1])),
    look.smooth > 0 && trans.__('smoothed'),
    look.ranks === 'all' && trans.__('every rank'),
    look.ranks === 'some' && trans.__('some ranks'),
    look.logX && trans.__('log steps'),
    look.time && trans.__('over time'),
    look.logY && trans.__('log')
  ].filter(words => words !== false);
}

/** One stroke, or a filled range where it has a `low` and a `high`. */
export interface Layer {
  kind: 'band' | 'faint' | 'rank' | 'pin' | 'main';
  x: Float64Array;
  y: Float64Array;
  low?: Float64Array;
  high?: Float64Array;
  /** Which of its kind: told apart by dashes. */
  nth: number;
  /** Stands at its end. */
  label: string;
}

/** An earlier job's curve beside this one's. */
export interface Pinned {
  letter: string;
  nth: number;
  curve: Curve;
  clock: Clock | null;
}

/** An earlier job to compare with. */
export interface Pin extends Omit<Pinned, 'curve'> {
  uid: string;
  name: string;
  curves: ReadonlyMap<string, Curve>;
}

/** What of the earlier jobs is drawn beside a metric. */
export function pinned(pins: readonly Pin[], metric: string): Pinned[] {
  return pins.flatMap(pin => {
    const curve = pin.curves.get(metric);
    return curve === undefined ? [] : [{ ...pin, curve }];
  });
}

export interface Shown {
  /** The whole way, or what the kernel sent of the stretch that is looked at. */
  curve: Curve;
  /** The whole way. */
  whole: Curve;
  lines: readonly Line[] | null;
  pins: readonly Pinned[];
  clock: Clock | null;
}

/** The layers from the back to the front. */
export function layers({ curve, whole, lines, pins, clock }: Shown, look: Look): Layer[] {
  const way = (whole.x[whole.x.length - 1] ?? 0) - (whole.x[0] ?? 0);
  const tau = reach(look.smooth, way);
  const place = (x: Float64Array, by: Clock | null): Float64Array =>
    look.time && by !== null ? times(x, by) : x;
  const soft = (x: Float64Array, y: Float64Array, seed?: number): Float64Array =>
    tau > 0 ? ema(x, y, tau, seed) : y;
  const x = place(curve.x, clock);
  const base = { nth: 0, label: '' };
  const found: Layer[] = [];
  if (look.ranks === 'band') {
    found.push({ ...base, kind: 'band', x, y: curve.mean, low: curve.low, high: curve.high });
  }
  pins.forEach(pin => {
    const y = soft(pin.curve.x, pin.curve.mean);
    found.push({ kind: 'pin', x: place(pin.curve.x, pin.clock), y, nth: pin.nth, label: pin.letter });
  });
  if (look.ranks !== 'band' && lines !== null) {
    lines.forEach((line, i) => {
      const few = look.ranks === 'some';
      const y = soft(line.x, line.y);
      found.push({
        kind: 'rank',
        x: place(line.x, clock),
        y,
        nth: few ? i : -1,
        label: few ? String(line.rank) : ''
      });
    });
    return found;
  }
  if (tau > 0) {
    found.push({ ...base, kind: 'faint', x, y: curve.mean });
  }
  const seed = curve === whole ? NaN : before(whole, soft(whole.x, whole.mean), curve.x[0] ?? 0);
  found.push({ ...base, kind: 'main', x, y: soft(curve.x, curve.mean, seed) });
  return found;
}

/** The index of the point nearest to `x`; -1 where there is none. */
export function nearest(xs: Float64Array, x: number): number {
  const i = upTo(xs, x);
  const next = xs[i + 1];
  return next !== undefined && (i < 0 || next - x < x - (xs[i] ?? 0)) ? i + 1 : i;
}

/** Steps as seconds since the first one; beyond the clock's ends with its mean pace. */
export function times(steps: Float64Array, clock: Clock): Float64Array {
  return steps.map(step => through(clock.x, clock.y, step));
}

/** A moment as a step. */
export function stepAt(seconds: number, clock: Clock): number {
  return through(clock.y, clock.x, seconds);
}

/** The values to draw: all that is seen, with a little air, also where everything is equal. */
export function valueRange(shown: readonly Layer[], log: boolean, seen?: Range): [number, number] {
  let [least, most] = [Infinity, -Infinity];
  for (const { kind, x, y, low = y, high = y } of shown) {
    // The raw curve under a smoothed one lies in the band; one of a single rank counts by itself.
    for (let i = kind === 'faint' && shown[0]?.kind === 'band' ? x.length : 0; i < x.length; i++) {
      const here = x[i] ?? 0;
      if (seen === undefined || (here >= seen[0] && here <= seen[1])) {
        const [a, b] = [low[i] ?? NaN, high[i] ?? NaN];
        least = a < least && Number.isFinite(a) && (!log || a > 0) ? a : least;
        most = b > most && Number.isFinite(b) && (!log || b > 0) ? b : most;
      }
    }
  }
  if (log) {
    // Even where the highest alone is above nought.
    least = Math.min(least, most);
    return most > 0 ? [least / 1.15, most * 1.15] : [0.1, 1];
  }
  if (least > most) {
    return [0, 1];
  }
  const air = most > least ? (most - least) * 0.06 : Math.abs(most) * 0.1 || 1;
  return [least - air, most + air];
}

/** Where a logarithmic axis has its marks: whole powers of ten, where these are few also twice and five times them. */
export function logTicks(from: number, to: number): number[] {
  const decades = Math.log10(to / from);
  const each = decades > 3 ? [1] : [1, 2, 5];
  const skip = Math.max(1, Math.ceil(decades / 6));
  const found: number[] = [];
  for (let power = Math.floor(Math.log10(from) / skip) * skip; 10 ** power <= to; power += skip) {
    found.push(...each.map(digit => Number(`${digit}e${power}`)).filter(tick => tick >= from && tick <= to));
  }
  return found;
}

/** A mark of the upright axis, short also where numbers are tiny or huge. */
export function tickText(x: number): string {
  const rounded = Number(x.toPrecision(6));
  const size = Math.abs(rounded);
  return size !== 0 && (size < 1e-3 || size >= 1e6)
    ? rounded.toExponential().replace('e+', 'e')
    : rounded.toLocaleString('en-US', { maximumFractionDigits: 6 });
}

/** The index of the last of `xs` that is not beyond `x`; -1 where all are. */
function upTo(xs: Float64Array, x: number): number {
  let [low, high] = [0, xs.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((xs[middle] ?? 0) <= x) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low - 1;
}

function before(whole: Curve, y: Float64Array, x: number): number {
  return y[upTo(whole.x, x) - 1] ?? NaN;
}

function through(xs: Float64Array, ys: Float64Array, x: number): number {
  const last = xs.length - 1;
  if (last < 1) {
    return ys[0] ?? 0;
  }
  // Inside between neighbours, outside along the line through both ends.
  const inside = x >= (xs[0] ?? 0) && x < (xs[last] ?? 0);
  const i = inside ? upTo(xs, x) : 0;
  const j = inside ? i + 1 : last;
  const [a, b, c, d] = [xs[i] ?? 0, xs[j] ?? 0, ys[i] ?? 0, ys[j] ?? 0];
  const origin = inside || x < a ? a : b;
  return (origin === a ? c : d) + (b > a ? ((x - origin) * (d - c)) / (b - a) : 0);
}
