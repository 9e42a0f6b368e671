/** Smoothing: an exponential moving average over steps, not over points, so that thinning and zooming leave it as it is. */
import { trans } from './words';

/** The strongest of the settings 0 (off), 1 … */
export const STRONGEST = 8;

/** The stretch of steps after which a point counts a third: each setting doubles it, up to an eighth of the way. */
export function reach(setting: number, way: number): number {
  return setting > 0 ? (way * 2 ** (setting - STRONGEST)) / 8 : 0;
}

/** What a setting is called. */
export function smoothWords(setting: number): string {
  return setting > 0
    ? trans.__('over %1 % of the steps', Number((100 * reach(setting, 1)).toPrecision(2)))
    : trans.__('off');
}

/**
 * The average of `y` up to each point, where a point `tau` steps back counts 1/e. What is no number stays a gap and
 * counts for nothing. `seed` is the average before the first point, where there is one.
 */
export function ema(x: Float64Array, y: Float64Array, tau: number, seed = NaN): Float64Array {
  // A seed stands for all that came before: as much as points of this density add up to.
  const gap = x.length > 1 ? ((x[x.length - 1] ?? 0) - (x[0] ?? 0)) / (x.length - 1) : 0;
  let weight = Number.isFinite(seed) ? 1 / (1 - Math.exp(-Math.max(gap, 1e-9) / tau)) : 0;
  let sum = weight > 0 ? seed * weight : 0;
  let before = x[0] ?? 0;
  return y.map((value, i) => {
    const here = x[i] ?? before;
    const fade = Math.exp((before - here) / tau);
    [sum, weight, before] = [sum * fade, weight * fade, here];
    if (!Number.isFinite(value)) {
      return NaN;
    }
    sum += value;
    weight += 1;
    return sum / weight;
  });
}
