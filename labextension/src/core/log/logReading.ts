/** The lines of a log while it is not followed: the loaded ranges, the gaps between them, and the position before them. */
import { toLines } from './logLines';
import type { Answer } from '../protocol/messages';
import type { LogLine } from '../jobTypes';

export interface Reading {
  /** Loaded for the current query, and dropped when it changes. */
  older: readonly LogLine[];
  /** The newest lines at the time the log stopped being followed. */
  held: readonly LogLine[];
  /** The position from which the lines before all of these can be requested; `more`: whether there are any. */
  before: string | null;
  more: boolean;
}

/** A place that a search visits: a line, or the gap above it; the gap above null is before all loaded lines. */
export interface Stop {
  line: LogLine | null;
  isGap: boolean;
}

/** Freezes the newest lines, from the first one whose earlier lines can be requested. */
export function freeze(log: readonly LogLine[]): Reading {
  const start = Math.max(
    0,
    log.findIndex(line => line.before !== null)
  );
  const [first, ...rest] = log.slice(start);
  if (first === undefined) {
    return { older: [], held: [], before: null, more: false };
  }
  // The gap above the first line is part of the gap before all lines.
  const held = first.skipped > 0 ? [{ ...first, skipped: 0 }, ...rest] : [first, ...rest];
  return { older: [], held, before: first.before, more: first.before !== null && first.number > 1 };
}

export function linesOf({ older, held }: Reading): readonly LogLine[] {
  return older.length === 0 ? held : [...older, ...held];
}

/** Puts the page before all lines above them. */
export function withPage(reading: Reading, { lines, before, more }: Answer<'page'>): Reading {
  return { ...reading, older: [...toLines(lines), ...reading.older], before, more };
}

/** Fills the gap above a line with the page before it; the rest of the gap is above the page. */
export function withFill(reading: Reading, line: LogLine, page: Answer<'page'>): Reading {
  const since = timeAbove(reading, line) ?? -Infinity;
  const wire = page.lines.filter(([, time]) => time > since);
  const isClosed = wire.length < page.lines.length || !page.more;
  const rest = isClosed ? 0 : Math.max(0, line.skipped - wire.length);
  return insert(reading, line, gapAbove(toLines(wire), rest, page.before), { ...line, skipped: 0 });
}

/** Inserts a search's lines into the gap above a line, which becomes two gaps. Also returns the number of the hit. */
export function withFound(
  reading: Reading,
  line: LogLine | null,
  answer: Answer<'find'>
): [reading: Reading, hit: number] {
  const fresh = toLines(answer.lines);
  const hit = fresh[answer.index ?? 0]?.number ?? 0;
  if (line !== null) {
    const rest = Math.max(1, line.skipped - answer.skipped - fresh.length);
    const above = gapAbove(fresh, answer.more ? rest : 0, answer.before);
    return [insert(reading, line, above, { ...line, skipped: answer.skipped }), hit];
  }
  const { before, more, skipped } = answer;
  const [first] = linesOf(reading);
  const next =
    first === undefined
      ? { ...reading, older: fresh }
      : insert(reading, first, fresh, { ...first, skipped, before: reading.before });
  return [{ ...next, before, more }, hit];
}

/** All lines and gaps that a search visits, the oldest first. */
export function searchStops(reading: Reading): Stop[] {
  const all = linesOf(reading).flatMap((line): Stop[] =>
    line.skipped > 0
      ? [
          { line, isGap: true },
          { line, isGap: false }
        ]
      : [{ line, isGap: false }]
  );
  return reading.more ? [{ line: null, isGap: true }, ...all] : all;
}

/** When the line above was printed; null above the first. */
export function timeAbove(reading: Reading, line: LogLine): number | null {
  const lines = linesOf(reading);
  return lines[lines.indexOf(line) - 1]?.time ?? null;
}

function gapAbove(lines: readonly LogLine[], skipped: number, before: string | null): readonly LogLine[] {
  const [first, ...rest] = lines;
  return first === undefined ? [] : [{ ...first, skipped, before }, ...rest];
}

/** Inserts `lines` above a line, and replaces that line. */
function insert(reading: Reading, line: LogLine, lines: readonly LogLine[], replacement: LogLine): Reading {
  const { older, held } = reading;
  const put = (into: readonly LogLine[], at: number, above: readonly LogLine[]): readonly LogLine[] => [
    ...into.slice(0, at),
    ...above,
    replacement,
    ...into.slice(at + 1)
  ];
  const at = held.indexOf(line);
  if (at < 0) {
    return { ...reading, older: put(older, older.indexOf(line), lines) };
  }
  return at === 0
    ? { ...reading, older: [...older, ...lines], held: put(held, 0, []) }
    : { ...reading, held: put(held, at, lines) };
}
