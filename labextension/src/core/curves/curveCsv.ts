/** The drawn points as CSV, for when the kernel, which has every point, does not answer. */
import type { Curve } from '../jobTypes';

/** Quotes a field (RFC 4180); a field that a spreadsheet would run as a formula gets an apostrophe in front. */
export function csvField(text: string): string {
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** The curves as rows of metric, step, mean, lowest and highest rank. */
export function curvesCsv(curves: Iterable<[string, Curve]>): string {
  const lines = ['metric,step,mean,low,high'];
  for (const [name, { x, mean, low, high }] of curves) {
    const first = csvField(name);
    x.forEach((step, i) => lines.push([first, step, mean[i], low[i], high[i]].join()));
  }
  return `${lines.join('\r\n')}\r\n`;
}
