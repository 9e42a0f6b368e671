/** Smoothing: an exponential moving average over steps, not over points, so that thinning and zooming do not change it. */
import { trans } from '../i18n';

/** The highest smoothing setting; 0 is off. */
export const MAX_SMOOTHING = 8;

/** The time constant in steps: it doubles with each setting, up to an eighth of all `steps`. */
export function smoothingWindow(setting: number, steps: number): number {
  return setting > 0 ? (steps * 2 ** (setting - MAX_SMOOTHING)) / 8 : 0;
}

/** The text of a setting. */
export function smoothingText(setting: number): string {
  return setting > 0
    ? trans.__('over %1 % of the steps', Number((100 * smoothingWindow(setting, 1)).toPrecision(2)))
    : trans.__('off');
}

/**
 * The average of `y` up to each point, where a point `tau` steps back has the weight 1/e. Values that are not finite
 * stay gaps and have no weight. `seed` is the average before the first point, if any.
 */
export function ema(x: Float64Array, y: Float64Array, tau: number, seed = NaN): Float64Array {
  // The seed weighs as much as infinitely many earlier points of the same density.
  const gap = x.length > 1 ? ((x[x.length - 1] ?? 0) - (x[0] ?? 0)) / (x.length - 1) : 0;
  let weight = Number.isFinite(seed) ? 1 / (1 - Math.exp(-Math.max(gap, 1e-9) / tau)) : 0;
  let sum = weight > 0 ? seed * weight : 0;
  let before = x[0] ?? 0;
  return y.map((value, i) => {
    const step = x[i] ?? before;
    const decay = Math.exp((before - step) / tau);
    [sum, weight, before] = [sum * decay, weight * decay, step];
    if (!Number.isFinite(value)) {
      return NaN;
    }
    sum += value;
    weight += 1;
    return sum / weight;
  });
}
