/**
 * The rendered part of a long log: a span of lines that follows the reading position.
 *
 * A list that positions its rows itself (such as TanStack Virtual's) would break selecting and copying across rows, the
 * browser's search, and screen readers. A span keeps plain rows in the document, and their number is bounded.
 */
import type { LogLine } from '../jobTypes';

/** How many of the newest lines are rendered while the log is followed. */
export const NEWEST = 200;
/** Lines that are added when the reader scrolls near an end of the span. */
export const STEP = 500;
const MAX_LINES_IN_PAGE = 1500;

/** Numbers of the first and last line; null as `last` means up to the newest, null as span the newest lines. */
export type Span = { first: number; last: number | null } | null;

/** The span as indices of `lines`: `from` inclusive, `to` exclusive. */
export function indicesOf(lines: readonly LogLine[], span: Span): [from: number, to: number] {
  const first = span === null ? -1 : lines.findIndex(line => line.number === span.first);
  const last = span === null ? -1 : lines.findIndex(line => line.number === span.last);
  return [first < 0 ? Math.max(0, lines.length - NEWEST) : first, last < 0 ? lines.length : last + 1];
}

/** The span between two indices; one that is too long is cut at the end opposite to `near`. */
export function spanOf(
  lines: readonly LogLine[],
  from: number,
  to: number,
  near: 'from' | 'to' = 'from'
): Span {
  const start = Math.max(
    0,
    near === 'to' ? Math.max(from, Math.min(to, lines.length) - MAX_LINES_IN_PAGE) : from
  );
  const end = Math.min(lines.length, near === 'from' ? Math.min(to, start + MAX_LINES_IN_PAGE) : to);
  const first = lines[start];
  return first === undefined
    ? null
    : { first: first.number, last: end === lines.length ? null : (lines[end - 1]?.number ?? null) };
}
