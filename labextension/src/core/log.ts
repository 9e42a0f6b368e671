/** The log of a job's nodes: the newest lines as they come, and what somebody looks for in them. */
import { plain } from './ansi';
import { parseRanks } from './curves';
import type { WireLine } from './protocol';
import type { LogLine } from './types';

export const MAX_LINES = 5000;
/** What a line that tells of an error looks like; `client/logbook.py` knows it too. */
export const ERRORS =
  /error|exception|traceback|\b(fatal|critical|panic|failed|failure|killed|aborted|segmentation fault)\b|^ *File ".*", line \d+/i;

/** What is looked for. `only`: other lines are left out. */
export interface Query {
  text: string;
  regex: boolean;
  only: boolean;
  errors: boolean;
  nodes: string;
}

/**
 * Adds `fresh` lines in the order of time; `skipped` ones were left out before them, and those before the first can be had as
 * the page before the place `before`. A row that is overwritten stays where it is while nothing else was written after it.
 */
export function append(
  lines: readonly LogLine[],
  fresh: readonly WireLine[],
  skipped: number,
  before: string | null = null
): readonly LogLine[] {
  const all = [...lines];
  fresh.forEach(([number, time, node, text, row], i) => {
    const line = {
      number,
      time,
      at: time,
      node,
      text,
      row,
      skipped: i ? 0 : skipped,
      before: i ? null : before
    };
    const place = row === undefined ? -1 : all.map(each => each.row).lastIndexOf(row);
    const old = all[place];
    if (old !== undefined) {
      const { at, number: name, skipped: gap, before: page } = old;
      if (text !== '' && all.slice(place).every(each => each.row !== undefined)) {
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
    all.sort((a, b) => a.at - b.at); // Stable by the language's promise.
  }
  return all.slice(-MAX_LINES);
}

/** Lines of a page; they get numbers of their own, from `first` on, `step` apart. */
export function toLines(wire: readonly WireLine[], first: number, step = 1): LogLine[] {
  return wire.map(([, time, node, text], i) => ({
    ...{ number: first + i * step, time, at: time, node, text },
    ...{ skipped: 0, before: null }
  }));
}

/** What is searched for; null: nothing, or no regular expression. */
export function pattern({ text, regex }: Query): RegExp | null {
  try {
    return text === '' ? null : new RegExp(regex ? text : text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&'), 'gi');
  } catch {
    return null;
  }
}

export function matches(line: LogLine, wanted: RegExp): boolean {
  return plain(line.text).search(wanted) >= 0;
}

/** Returns the nodes to be seen; null: all. */
export function nodesOf({ nodes }: Query): number[] | null {
  return nodes.trim() === '' ? null : parseRanks(nodes, 1000);
}

/** The lines that pass. */
export function filter(lines: readonly LogLine[], query: Query): readonly LogLine[] {
  const nodes = nodesOf(query);
  const wanted = [query.only ? pattern(query) : null, query.errors ? ERRORS : null];
  return lines.filter(
    line =>
      (nodes === null || nodes.includes(line.node)) &&
      wanted.every(each => each === null || matches(line, each))
  );
}
