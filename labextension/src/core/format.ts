/** Number formats. `jupyter_trainjob/rendering/text.py` has the same; `test/formats.json` tests both. */
import { trans } from './i18n';

const EN = 'en-US';

/** A metric's value with four significant digits, so that its width varies little. */
export function value(x: number | string): string {
  if (typeof x === 'string') {
    return x;
  }
  if (!Number.isFinite(x)) {
    return Number.isNaN(x) ? 'nan' : x > 0 ? 'inf' : '-inf';
  }
  const size = Math.abs(x);
  if (Number.isInteger(x) && size < 1e6) {
    return x.toLocaleString(EN);
  }
  if (size >= 1e6 || size < 1e-3) {
    return x.toExponential(2).replace('e+', 'e');
  }
  return size >= 1000 ? Math.round(x).toLocaleString(EN) : x.toPrecision(4);
}

/** A whole number with separators. */
export function count(n: number): string {
  return Math.round(n).toLocaleString(EN);
}

/** A share as whole percent, rounded down, so that only a complete share is 100 %. */
export function percent(share: number): string {
  return `${Math.floor(share * 100 + 1e-9)} %`;
}

/** A length of time: `0.3 s`, `41 s`, `1:46`, `1:02:03`. */
export function duration(seconds: number): string {
  const s = Math.max(0, seconds);
  if (s < 9.95) {
    return trans.__('%1 s', s.toFixed(1));
  }
  return s < 59.5 ? trans.__('%1 s', Math.round(s)) : clock(s);
}

/** A remaining or elapsed time: `0:41`, `1:02:03`. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const two = (n: number): string => String(n).padStart(2, '0');
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

/** The local time of day. */
export function timeOfDay(unix: number): string {
  const date = new Date(unix * 1000);
  return [date.getHours(), date.getMinutes(), date.getSeconds()]
    .map(n => String(n).padStart(2, '0'))
    .join(':');
}

/** `1 node`, `8 nodes`. */
export function nodesText(n: number): string {
  return trans._n('%2 node', '%2 nodes', n, count(n));
}

/** How long ago: `12 min`, `1 h`, `3 d`. */
export function ago(seconds: number): string {
  const minutes = Math.max(0, seconds) / 60;
  if (minutes < 1) {
    return trans.__('now');
  }
  return minutes < 60
    ? trans.__('%1 min', Math.floor(minutes))
    : minutes < 1440
      ? trans.__('%1 h', Math.floor(minutes / 60))
      : trans.__('%1 d', Math.floor(minutes / 1440));
}
