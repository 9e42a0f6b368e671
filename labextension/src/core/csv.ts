/** What is drawn, as CSV: for when the kernel, which has every point, does not answer. */
import type { Curve } from './types';

/** A field as RFC 4180 wants it; what a spreadsheet would take for a formula is kept from being one. */
export function field(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** The curves as rows of metric, step, mean, lowest and highest rank. */
export function csv(curves: Iterable<[string, Curve]>): string {
  const lines = ['metric,step,mean,low,high'];
  for (const [name, { x, mean, low, high }] of curves) {
    const first = field(name);
    x.forEach((step, i) => lines.push([first, step, mean[i], low[i], high[i]].join()));
  }
  return `${lines.join('\r\n')}\r\n`;
}
