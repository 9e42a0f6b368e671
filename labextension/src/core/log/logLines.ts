/** The log of a job's nodes: the newest lines, and queries on them. */
import { stripEscapes } from './ansi';
import { parseRanks } from '../curves/curveData';
import type { WireLine } from '../protocol/messages';
import type { LogLine } from '../jobTypes';

export const MAX_LINES = 5000;
/** Matches lines that report an error; `client/watching/log_buffer.py` has the same pattern. */
export const ERRORS =
  /error|exception|traceback|\b(fatal|critical|panic|failed|failure|killed|aborted|segmentation fault)\b|^ *File ".*", line \d+/i;

/** A log query. `only`: hide lines that do not match. */
export interface Query {
  text: string;
  regex: boolean;
  only: boolean;
  errors: boolean;
  nodes: string;
}

/** The empty query, which every line matches. */
export const NO_QUERY: Query = { text: '', regex: false, only: false, errors: false, nodes: '' };

/**
 * Adds `fresh` lines in the order of time. `skipped` lines before them were not sent; the lines before the earliest can
 * be requested as the page before the position `before`. A row that is overwritten keeps its place while no other text
 * was written after it.
 */
export function appendLines(
  lines: readonly LogLine[],
  fresh: readonly WireLine[],
  skipped: number,
  before: string | null = null
): readonly LogLine[] {
  const all = [...lines];
  const earliest = fresh.reduce((least, [, time], i) => (time < (fresh[least]?.[1] ?? 0) ? i : least), 0);
  fresh.forEach(([number, time, node, text, row], i) => {
    const line = {
      number,
      time,
      at: time,
      node,
      text,
      row,
      skipped: i === earliest ? skipped : 0,
      before: i === earliest ? before : null
    };
    const place = row === undefined ? -1 : all.map(entry => entry.row).lastIndexOf(row);
    const old = all[place];
    if (old !== undefined) {
      const { at, number: name, skipped: gap, before: page } = old;
      if (text !== '' && all.slice(place).every(entry => entry.row !== undefined)) {
        all[place] = { ...line, at, number: name, skipped: gap, before: page };
        return;
      }
      all.splice(place, 1);
    }
    if (text !== '' || row === undefined) {
      all.push(line);
    }
  });
  if (all.some((line, i) => line.at < (all[i - 1]?.at ?? 0))) {
    all.sort((a, b) => a.at - b.at); // Array.prototype.sort is stable.
  }
  return all.slice(-MAX_LINES);
}

let pageLines = 0;

/** Lines of a requested page. Their numbers are negative, unlike those of lines that arrive by themselves. */
export function toLines(wire: readonly WireLine[]): LogLine[] {
  return wire.map(([, time, node, text]) => ({
    ...{ number: --pageLines, time, at: time, node, text },
    ...{ skipped: 0, before: null }
  }));
}

/** The pattern to search for; null if the query has no text, or an invalid regular expression. */
export function queryPattern({ text, regex }: Query): RegExp | null {
  try {
    return text === '' ? null : new RegExp(regex ? text : text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'), 'gi');
  } catch {
    return null;
  }
}

export function matches(line: LogLine, pattern: RegExp): boolean {
  return stripEscapes(line.text).search(pattern) >= 0;
}

/** Returns the nodes of the query; null: all. */
export function nodesOf({ nodes }: Query): number[] | null {
  return nodes.trim() === '' ? null : parseRanks(nodes, 1000);
}

/** The lines that pass the query's filters. */
export function filterLines(lines: readonly LogLine[], query: Query): readonly LogLine[] {
  const { text, nodes, only, errors } = query;
  return nodes.trim() === '' && !errors && !(only && text !== '') ? lines : lines.filter(lineFilter(query));
}

/** Returns a predicate for lines that pass the query's filters. */
export function lineFilter(query: Query): (line: LogLine) => boolean {
  const nodes = nodesOf(query);
  const patterns = [query.only ? queryPattern(query) : null, query.errors ? ERRORS : null];
  return line =>
    (nodes === null || nodes.includes(line.node)) &&
    patterns.every(pattern => pattern === null || matches(line, pattern));
}
