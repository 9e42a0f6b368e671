/** Reads a job's log: follows the newest lines, or stays at a position and loads lines on demand. */
import { useLayoutEffect, useMemo, useRef, useState } from 'react';

import { type Query, filterLines, matches, nodesOf, lineFilter, queryPattern } from '../../core/log/logLines';
import {
  type Reading,
  freeze,
  linesOf,
  searchStops,
  timeAbove,
  withFill,
  withFound,
  withPage
} from '../../core/log/logReading';
import { STEP, type Span, indicesOf, spanOf } from '../../core/log/visibleSpan';
import type { LogLine } from '../../core/jobTypes';
import type { JobSource } from '../../core/jobs/views';
import { useRequest } from '../controls/useRequest';

const PAGE_LINES = 500;
/** The maximum number of loaded lines; a search also finds lines before them. */
export const MAX_LOADED_LINES = 20_000;
/** How many lines before and after a hit are rendered. */
const CONTEXT_LINES = 200;
const NO_FILTER = { nodes: null, pattern: null, regex: false, errors: false };

export interface LogReader {
  /** The loaded lines that pass the query; `from` to `to` of them are rendered. */
  lines: readonly LogLine[];
  from: number;
  to: number;
  /** The pattern to search for; null if the query has no text, or an invalid regular expression. */
  pattern: RegExp | null;
  hits: readonly LogLine[];
  /** The current hit. */
  current: { number: number } | null;
  /** How many stored lines before the loaded ones match; null before the kernel has answered. */
  earlier: number | null;
  /** Whether there are lines before the rendered ones. */
  hasEarlier: boolean;
  isFollowing: boolean;
  /** How many lines have arrived since the user stopped following. */
  missed: number;
  isSearching: boolean;
  /** Why the last request failed. */
  problem: string;
  follow(): void;
  stopFollowing(): void;
  showEarlier(): void;
  showLater(): void;
  fillGap(line: LogLine): void;
  /** Goes to the next hit towards the newest (1) or oldest (-1) line, and wraps around. */
  seek(by: 1 | -1): void;
  /** Goes to the newest hit before all loaded lines. */
  seekEarlier(): void;
}

export function useLogReader(source: JobSource, log: readonly LogLine[], query: Query): LogReader {
  const [reading, setReading] = useState<Reading | null>(null);
  const [span, setSpan] = useState<Span>(null);
  const [current, setCurrent] = useState<{ number: number } | null>(null);
  const [problem, setProblem] = useState('');
  const [isSearching, setSearching] = useState(false);
  /** Counts changes that make a pending answer obsolete; one request at a time in each turn. */
  const turn = useRef(0);
  const busyTurn = useRef(-1);

  const shown = useMemo(() => reading ?? freeze(log), [reading, log]);
  const lines = useMemo(() => filterLines(linesOf(shown), query), [shown, query]);
  const pattern = useMemo(() => queryPattern(query), [query]);
  const hits = useMemo(
    () => (pattern === null ? [] : lines.filter(line => matches(line, pattern))),
    [lines, pattern]
  );
  const [from, to] = indicesOf(lines, span);
  const search = { nodes: nodesOf(query), regex: query.regex, errors: query.errors };

  const { before, more } = shown;
  const countKey = pattern === null || !more ? null : JSON.stringify([query, before]);
  const count = useRequest(countKey, () =>
    source.ask('page', { ...search, pattern: query.text, before, limit: 0 })
  );
  const isCounted = count !== null && count.key === countKey;

  const begin = (): void => {
    turn.current += 1;
    setSearching(false);
    setProblem('');
    setCurrent(null);
    setSpan(null);
  };
  // Loaded pages were filtered with the old query.
  useLayoutEffect(() => {
    begin();
    setReading(old => old && freeze(old.held));
  }, [query]);

  const run = async (work: (isCurrentTurn: () => boolean) => Promise<void>): Promise<void> => {
    const mine = turn.current;
    if (busyTurn.current === mine) {
      return;
    }
    busyTurn.current = mine;
    setProblem('');
    try {
      await work(() => turn.current === mine);
    } catch (error) {
      if (turn.current === mine) {
        setProblem((error as Error).message);
      }
    }
    if (turn.current === mine) {
      busyTurn.current = -1;
      setSearching(false);
    }
  };

  const load = (): Promise<void> =>
    run(async isCurrentTurn => {
      const page = await source.ask('page', {
        ...{ ...search, before, limit: PAGE_LINES },
        pattern: query.only ? query.text : null
      });
      if (isCurrentTurn()) {
        const next = withPage(shown, page);
        const all = filterLines(linesOf(next), query);
        setReading(next);
        setSpan(spanOf(all, 0, to + all.length - lines.length));
      }
    });
  const up = (): void => {
    setReading(shown);
    if (from > 0) {
      setSpan(spanOf(lines, from - STEP, to));
    } else if (more && lines.length < MAX_LOADED_LINES) {
      void load();
    }
  };
  const down = (): void => {
    if (to < lines.length) {
      setSpan(spanOf(lines, from, to + STEP, 'to'));
    }
  };
  const fill = (line: LogLine): void => {
    setReading(shown);
    void run(async isCurrentTurn => {
      const page = await source.ask('page', { ...NO_FILTER, before: line.before, limit: line.skipped });
      if (isCurrentTurn()) {
        setReading(withFill(shown, line, page));
      }
    });
  };

  /** Goes to a hit, and renders the lines around it if necessary. */
  const goTo = (number: number, all: readonly LogLine[]): void => {
    const at = all.findIndex(line => line.number === number);
    const [first, end] = indicesOf(all, span);
    if (at < first || at >= end) {
      setSpan(spanOf(all, at - CONTEXT_LINES, at + CONTEXT_LINES));
    }
    setCurrent({ number });
  };
  /** Goes to the first hit after the stop with the index `start` in a direction, and wraps around. */
  const seekFrom = (start: number, direction: 1 | -1): void => {
    if (pattern === null) {
      return;
    }
    const passes = lineFilter(query);
    const places = searchStops(shown);
    setReading(shown);
    void run(async isCurrentTurn => {
      for (let i = 1; i <= places.length; i++) {
        const at = (start + i * direction + places.length) % places.length;
        const { line, isGap } = places[at] as (typeof places)[number];
        if (isGap) {
          setSearching(true);
          const answer = await source.ask('find', {
            ...{ ...search, pattern: query.text, oldest: direction > 0 },
            before: line === null ? before : line.before,
            since: line === null ? null : timeAbove(shown, line)
          });
          if (!isCurrentTurn()) {
            return;
          }
          if (answer.index !== null) {
            const [next, hit] = withFound(shown, line, answer);
            setReading(next);
            goTo(hit, filterLines(linesOf(next), query));
            return;
          }
        } else if (line !== null && passes(line) && matches(line, pattern)) {
          goTo(line.number, lines);
          return;
        }
      }
    });
  };

  const seek = (by: 1 | -1): void => {
    const at = searchStops(shown).findIndex(({ line, isGap }) => !isGap && line?.number === current?.number);
    // Without a current hit, the search starts at the newest line.
    seekFrom(Math.max(at, 0), at < 0 ? -1 : by);
  };

  const last = reading?.held.at(-1)?.number ?? Infinity;
  return {
    ...{ lines, from, to, pattern, hits, current, isSearching },
    problem: problem || (isCounted ? count.error : ''),
    earlier: !more ? 0 : isCounted ? (count.answer?.found ?? null) : null,
    hasEarlier: more || from > 0,
    isFollowing: reading === null,
    missed: log.filter(line => line.number > last).length,
    follow: () => {
      begin();
      setReading(null);
    },
    stopFollowing: () => setReading(shown),
    seekEarlier: () => seekFrom(1, -1),
    ...{ showEarlier: up, showLater: down, fillGap: fill, seek }
  };
}
