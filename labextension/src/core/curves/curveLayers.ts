/** The layers of one metric's chart, computed from its data and the view settings. Pure: the chart only paints them. */
import { count } from '../format';
import { ema, smoothingWindow } from './smoothing';
import type { Curve } from '../jobTypes';
import { trans } from '../i18n';
import type { Range, Zoom } from './zoomRange';

/** One rank's numbers over steps. */
export interface Line {
  rank: number;
  x: Float64Array;
  y: Float64Array;
}

/** The time of each step, in seconds since the first; ascending. */
export type Clock = Pick<Line, 'x' | 'y'>;

/** View settings of all curves. */
export interface ChartSettings {
  /** 0 is off; see `smoothingWindow`. */
  smooth: number;
  ranks: 'band' | 'all' | 'some';
  logX: boolean;
  logY: boolean;
  time: boolean;
  zoom: Zoom;
}

/** The default view settings. */
export const DEFAULT_SETTINGS: ChartSettings = {
  smooth: 0,
  ranks: 'band',
  logX: false,
  logY: false,
  time: false,
  zoom: null
};

/** Describes the settings that differ from the default. */
export function changedSettings(settings: ChartSettings): string[] {
  return [
    settings.zoom !== null && trans.__('steps %1 to %2', count(settings.zoom[0]), count(settings.zoom[1])),
    settings.smooth > 0 && trans.__('smoothed'),
    settings.ranks === 'all' && trans.__('every rank'),
    settings.ranks === 'some' && trans.__('some ranks'),
    settings.logX && trans.__('log steps'),
    settings.time && trans.__('over time'),
    settings.logY && trans.__('log')
  ].filter(text => text !== false);
}

/** One stroke, or a filled range where it has a `low` and a `high`. */
export interface Layer {
  kind: 'band' | 'faint' | 'rank' | 'pin' | 'main';
  x: Float64Array;
  y: Float64Array;
  low?: Float64Array;
  high?: Float64Array;
  /** The index among layers of the same kind, which selects the dash pattern. */
  nth: number;
  /** The label at its end. */
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

/** Returns the curves of the earlier jobs that reported the metric. */
export function pinned(pins: readonly Pin[], metric: string): Pinned[] {
  return pins.flatMap(pin => {
    const curve = pin.curves.get(metric);
    return curve === undefined ? [] : [{ ...pin, curve }];
  });
}

export interface LayerInput {
  /** All steps, or the visible steps at full resolution. */
  curve: Curve;
  /** All steps. */
  whole: Curve;
  lines: readonly Line[] | null;
  pins: readonly Pinned[];
  clock: Clock | null;
}

/** The layers from the back to the front. */
export function layersOf({ curve, whole, lines, pins, clock }: LayerInput, settings: ChartSettings): Layer[] {
  const steps = (whole.x[whole.x.length - 1] ?? 0) - (whole.x[0] ?? 0);
  const tau = smoothingWindow(settings.smooth, steps);
  const place = (x: Float64Array, by: Clock | null): Float64Array =>
    settings.time && by !== null ? secondsOf(x, by) : x;
  const soft = (x: Float64Array, y: Float64Array, seed?: number): Float64Array =>
    tau > 0 ? ema(x, y, tau, seed) : y;
  const x = place(curve.x, clock);
  const base = { nth: 0, label: '' };
  const layers: Layer[] = [];
  if (settings.ranks === 'band') {
    layers.push({ ...base, kind: 'band', x, y: curve.mean, low: curve.low, high: curve.high });
  }
  pins.forEach(pin => {
    const y = soft(pin.curve.x, pin.curve.mean);
    layers.push({ kind: 'pin', x: place(pin.curve.x, pin.clock), y, nth: pin.nth, label: pin.letter });
  });
  if (settings.ranks !== 'band' && lines !== null) {
    lines.forEach((line, i) => {
      const few = settings.ranks === 'some';
      const y = soft(line.x, line.y);
      layers.push({
        kind: 'rank',
        x: place(line.x, clock),
        y,
        nth: few ? i : -1,
        label: few ? String(line.rank) : ''
      });
    });
    return layers;
  }
  if (tau > 0) {
    layers.push({ ...base, kind: 'faint', x, y: curve.mean });
  }
  const seed = curve === whole ? NaN : valueBefore(whole, soft(whole.x, whole.mean), curve.x[0] ?? 0);
  layers.push({ ...base, kind: 'main', x, y: soft(curve.x, curve.mean, seed) });
  return layers;
}

/** The index of the point nearest to `x`; -1 without points. */
export function nearest(xs: Float64Array, x: number): number {
  const i = lastIndexUpTo(xs, x);
  const next = xs[i + 1];
  return next !== undefined && (i < 0 || next - x < x - (xs[i] ?? 0)) ? i + 1 : i;
}

/** Converts steps to seconds since the first one; extrapolates with the mean pace beyond the clock's ends. */
export function secondsOf(steps: Float64Array, clock: Clock): Float64Array {
  return steps.map(step => interpolate(clock.x, clock.y, step));
}

/** Converts seconds since the first step to a step. */
export function stepAt(seconds: number, clock: Clock): number {
  return interpolate(clock.y, clock.x, seconds);
}

/** The range of the value axis: the visible values and a margin, also if all are equal; null if none can be drawn. */
export function valueRange(shown: readonly Layer[], log: boolean, seen?: Range): Range | null {
  let [least, most] = [Infinity, -Infinity];
  for (const { kind, x, y, low = y, high = y } of shown) {
    // The raw curve under a smoothed one lies within the band, if there is one.
    for (let i = kind === 'faint' && shown[0]?.kind === 'band' ? x.length : 0; i < x.length; i++) {
      const step = x[i] ?? 0;
      if (seen === undefined || (step >= seen[0] && step <= seen[1])) {
        const [a, b] = [low[i] ?? NaN, high[i] ?? NaN];
        least = a < least && Number.isFinite(a) && (!log || a > 0) ? a : least;
        most = b > most && Number.isFinite(b) && (!log || b > 0) ? b : most;
      }
    }
  }
  if (log) {
    // The lowest positive value; the highest one if it alone is positive.
    least = Math.min(least, most);
    return most > 0 ? [least / 1.15, most * 1.15] : null;
  }
  if (least > most) {
    return null;
  }
  const margin = most > least ? (most - least) * 0.06 : Math.abs(most) * 0.1 || 1;
  return [least - margin, most + margin];
}

/** The ticks of a logarithmic axis: powers of ten, and over few decades also their multiples by two and five. */
export function logTicks(from: number, to: number): number[] {
  const decades = Math.log10(to / from);
  const multiples = decades > 3 ? [1] : [1, 2, 5];
  const skip = Math.max(1, Math.ceil(decades / 6));
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(from) / skip) * skip; 10 ** power <= to; power += skip) {
    ticks.push(
      ...multiples.map(digit => Number(`${digit}e${power}`)).filter(tick => tick >= from && tick <= to)
    );
  }
  return ticks;
}

/** The label of a tick of the value axis; tiny and huge numbers have an exponent. */
export function tickText(x: number): string {
  const rounded = Number(x.toPrecision(6));
  const size = Math.abs(rounded);
  return size !== 0 && (size < 1e-3 || size >= 1e6)
    ? rounded.toExponential().replace('e+', 'e')
    : rounded.toLocaleString('en-US', { maximumFractionDigits: 6 });
}

/** The index of the last of `xs` that is not beyond `x`; -1 where all are. */
function lastIndexUpTo(xs: Float64Array, x: number): number {
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

function valueBefore(whole: Curve, y: Float64Array, x: number): number {
  return y[lastIndexUpTo(whole.x, x) - 1] ?? NaN;
}

function interpolate(xs: Float64Array, ys: Float64Array, x: number): number {
  const last = xs.length - 1;
  if (last < 1) {
    return ys[0] ?? 0;
  }
  // Inside, between the two neighbours; outside, on the line through both ends.
  const inside = x >= (xs[0] ?? 0) && x < (xs[last] ?? 0);
  const i = inside ? lastIndexUpTo(xs, x) : 0;
  const j = inside ? i + 1 : last;
  const [a, b, c, d] = [xs[i] ?? 0, xs[j] ?? 0, ys[i] ?? 0, ys[j] ?? 0];
  const origin = inside || x < a ? a : b;
  return (origin === a ? c : d) + (b > a ? ((x - origin) * (d - c)) / (b - a) : 0);
}
