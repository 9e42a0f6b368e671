/** The newest lines of a job's log, in the order of arrival. */
import type { WireLine } from './protocol';
import type { LogLine } from './types';

export const MAX_LINES = 5000;

/** Adds `fresh` lines; `skipped` ones were left out before them. */
export function append(
  lines: readonly LogLine[],
  fresh: readonly WireLine[],
  skipped: number
): readonly LogLine[] {
  const added = fresh.map(([number, time, node, text], i) => ({
    number,
    time,
    node,
    text,
    skipped: i === 0 ? skipped : 0
  }));
  return [...lines, ...added].slice(-MAX_LINES);
}
