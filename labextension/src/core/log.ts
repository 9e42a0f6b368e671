/** The tail of all ranks' logs, merged by time. */
import type { LogLine } from './types';

export const MAX_LINES = 200;

/** Merges `fresh` into `lines` by time; lines of the same moment keep the order in which they came. */
export function merge(lines: readonly LogLine[], fresh: readonly LogLine[]): LogLine[] {
  const all = [...lines, ...fresh];
  const last = lines[lines.length - 1];
  const inOrder = fresh.every((line, i) => line.time >= (fresh[i - 1] ?? last ?? line).time);
  if (!inOrder) {
    all.sort((a, b) => a.time - b.time); // Stable by the language's promise.
  }
  return all.slice(-MAX_LINES);
}
