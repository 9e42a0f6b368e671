/** The log of all nodes: follows, until somebody scrolls up to read; is searched and filtered, in everything that is kept. */
import { useLayoutEffect, useMemo, useRef, useState } from 'react';
import type { CSSProperties, ReactElement } from 'react';

import { marked, pieces } from '../core/ansi';
import { count, timeOfDay } from '../core/format';
import { MAX_LINES, type Query, filter, matches, nodesOf, pattern, toLines } from '../core/log';
import type { LogLine, Source } from '../core/types';
import { trans } from '../core/words';
import { useAnswer } from './useAnswer';
import { useView } from './useView';

/** Nearer to the end than this counts as being there. */
const SLACK_PIXELS = 8;
/** Nearer to the beginning than this, the lines before are asked for. */
const AHEAD_PIXELS = 200;
const PAGE = 500;
/** So many of the newest lines are drawn; more when somebody goes up. */
const DRAWN = 200;
const NOTHING: Query = { text: '', regex: false, only: false, errors: false, nodes: '' };

/** What somebody reads stands still: lines that were there, and above them those of pages. */
interface Reading {
  held: readonly LogLine[];
  older: readonly LogLine[];
  before: string | null;
  more: boolean;
}

/** With `tail` it is a few lines below other things, without it has the card for itself. */
export function LogPanel({ source, tail }: { source: Source; tail: boolean }): ReactElement | null {
  const { log, job } = useView(source);
  const [asked, setQuery] = useState(NOTHING);
  const [wrap, setWrap] = useState(true);
  const [reading, read] = useState<Reading | null>(null);
  const [now, point] = useState<LogLine | null>(null);
  const [note, say] = useState('');
  const [size, grow] = useState(DRAWN);
  const box = useRef<HTMLDivElement>(null);
  const seen = useRef({ top: 0, height: 0 });
  const anchor = useRef<[row: HTMLElement, top: number] | null>(null);
  const busy = useRef(false);
  /** Counts what makes a page that is on its way unwanted. */
  const turn = useRef(0);

  const query = tail ? NOTHING : asked;
  const wanted = useMemo(() => pattern(query), [query]);
  const lines = useMemo(
    () => [...(reading?.older ?? []), ...filter(reading?.held ?? log, query)],
    [reading, log, query]
  );
  const hits = useMemo(
    () => (wanted === null ? [] : lines.filter(line => matches(line, wanted))),
    [lines, wanted]
  );
  // Rows that stay what they are need not be looked at again.
  const drawn = useRef({ key: '', rows: new WeakMap<LogLine, ReactElement>() });
  const key = `${wanted} ${job?.nodes}`;
  if (drawn.current.key !== key) {
    drawn.current = { key, rows: new WeakMap() };
  }
  const search = {
    ...{ nodes: nodesOf(query), regex: query.regex, errors: query.errors },
    pattern: query.only ? query.text : null
  };
  const found = useAnswer(wanted === null ? null : JSON.stringify([query, log.length === 0]), () =>
    source.ask('page', { ...search, pattern: query.text, before: null, limit: 0 })
  )?.got?.found;
  const any = log.length > 0;

  useLayoutEffect(() => {
    const node = box.current;
    if (reading !== null || node === null) {
      return;
    }
    const toEnd = (): void => {
      node.scrollTop = node.scrollHeight;
    };
    toEnd();
    const resized = new ResizeObserver(toEnd);
    resized.observe(node);
    return () => resized.disconnect();
  }, [lines, reading, any, wrap]);
  useLayoutEffect(() => {
    if (anchor.current !== null && box.current !== null) {
      const [row, top] = anchor.current;
      box.current.scrollTop += row.offsetTop - top;
      anchor.current = null;
    }
  }, [reading, size]);
  useLayoutEffect(() => {
    const [node, row] = [box.current, box.current?.querySelector<HTMLElement>('.tj-log-now')];
    if (
      node &&
      row &&
      (row.offsetTop < node.scrollTop || row.offsetTop > node.scrollTop + node.clientHeight - 20)
    ) {
      node.scrollTop = row.offsetTop - node.clientHeight / 2;
    }
  }, [now]);

  if (job === null || (tail && !any)) {
    return null;
  }

  const start = Math.max(0, lines.length - size);
  const last = reading?.held.at(-1)?.number ?? Infinity;
  const missed = log.filter(line => line.number > last).length;
  const stay = (): void => {
    const top = box.current?.querySelector<HTMLElement>('.tj-log-line');
    anchor.current = top ? [top, top.offsetTop] : null;
  };
  const follow = (): void => {
    turn.current += 1;
    point(null);
    grow(DRAWN);
    read(null);
  };
  const up = (): void => {
    const state = reading ?? freeze(log);
    read(state);
    if (start > 0) {
      stay();
      grow(size + PAGE);
    } else if (state.more && lines.length < 2 * MAX_LINES) {
      void load(state, PAGE);
    }
  };
  const change = (part: Partial<Query>): void => {
    turn.current += 1;
    setQuery({ ...asked, ...part });
    point(null);
    // Pages came as they were asked for: other ones are wanted now.
    read(reading && freeze(reading.held));
  };
  const load = async (from: Reading, limit: number): Promise<Reading> => {
    if (busy.current) {
      return from;
    }
    busy.current = true;
    say('');
    const begun = turn.current;
    try {
      const {
        lines: wire,
        before,
        more
      } = await source.ask('page', { ...search, before: from.before, limit });
      const first = Math.min(0, from.older[0]?.number ?? 0) - wire.length;
      if (turn.current !== begun) {
        return { ...from, more: false }; // Something else is looked for, or followed, by now.
      }
      const next = { ...from, older: [...toLines(wire, first), ...from.older], before, more };
      stay();
      grow(size + PAGE);
      read(next);
      return next;
    } catch (error) {
      say((error as Error).message);
      read(from);
      return { ...from, more: false };
    } finally {
      busy.current = false;
    }
  };
  const go = async (by: 1 | -1): Promise<void> => {
    let state = reading ?? freeze(log);
    read(state);
    const next = now === null ? hits.length - 1 : hits.indexOf(now) + by;
    let target = hits[next];
    while (
      target === undefined &&
      next < 0 &&
      wanted !== null &&
      state.more &&
      state.older.length < MAX_LINES
    ) {
      const before = state.older.length;
      state = await load(state, PAGE);
      const fresh = state.older.slice(0, state.older.length - before);
      target = fresh.filter(line => matches(line, wanted)).at(-1);
    }
    const found = target ?? hits[next < 0 ? hits.length - 1 : 0];
    if (found !== undefined) {
      grow(lines.indexOf(found) < start ? 2 * MAX_LINES : size);
      point(found);
    }
  };
  const fill = async (line: LogLine): Promise<void> => {
    const all = { nodes: null, pattern: null, regex: false, errors: false };
    try {
      const limit = Math.min(line.skipped, MAX_LINES);
      const { lines: wire, ...page } = await source.ask('page', { ...all, before: line.before, limit });
      const state = reading ?? freeze(log);
      const place = state.held.indexOf(line);
      const last = state.held[place - 1]?.time ?? 0;
      const fresh = wire.filter(([, time]) => time > last);
      const step = 1 / (fresh.length + 1);
      const lost = page.more ? Math.max(0, line.skipped - wire.length) : 0;
      const [first, ...rest] = toLines(fresh, line.number - 1 + step, step);
      const filled = first ? [{ ...first, skipped: lost, before: page.before }, ...rest] : [];
      const held = [...state.held.slice(0, place), ...filled, { ...line, skipped: 0 }];
      read({ ...state, held: [...held, ...state.held.slice(place + 1)] });
    } catch (error) {
      say((error as Error).message);
    }
  };
  const onScroll = (): void => {
    const node = box.current;
    if (node === null) {
      return;
    }
    const { top, height } = seen.current;
    seen.current = { top: node.scrollTop, height: node.scrollHeight };
    if (node.scrollHeight - node.scrollTop - node.clientHeight <= SLACK_PIXELS) {
      if (reading !== null && missed === 0 && now === null) {
        follow();
      }
    } else if (node.scrollTop < top && node.scrollHeight === height) {
      // Somebody scrolled up: nothing came or was wrapped anew.
      read(reading ?? freeze(log));
      if (node.scrollTop < AHEAD_PIXELS) {
        up();
      }
    }
  };
  const width = job.nodes > 1 ? String(job.nodes - 1).length : 0;
  const row = (line: LogLine): ReactElement => {
    const parts = pieces(line.text);
    return (
      <div
        key={line.number}
        className={`tj-log-line${line === now ? ' tj-log-now' : ''}`}
        data-at={`${timeOfDay(line.time)} ${width > 0 ? String(line.node).padStart(width) : ''}`.trimEnd()}
      >
        {(wanted === null ? parts : marked(parts, wanted)).map(piece => {
          const { text, css } = piece;
          return 'hit' in piece && piece.hit ? (
            <mark className={css}>{text}</mark>
          ) : css === '' ? (
            text
          ) : (
            <span className={css}>{text}</span>
          );
        })}
      </div>
    );
  };
  const gap = (line: LogLine): ReactElement => (
    <button
      key={`gap ${line.number}`}
      type="button"
      className="tj-link tj-log-more"
      onClick={() => void fill(line)}
    >
      {trans._n('%2 line skipped: show', '%2 lines skipped: show', line.skipped, count(line.skipped))}
    </button>
  );
  const cached = (line: LogLine): ReactElement => {
    const made = (line !== now && drawn.current.rows.get(line)) || row(line);
    if (line !== now) {
      drawn.current.rows.set(line, made);
    }
    return made;
  };
  const toggle = (what: 'regex' | 'only' | 'errors', words: string): ReactElement => (
    <button
      type="button"
      className="tj-tool"
      aria-pressed={asked[what]}
      onClick={() => change({ [what]: !asked[what] })}
    >
      {words}
    </button>
  );
  const hit = trans._n('%2 line', '%2 lines', hits.length, count(hits.length));
  const where = now === null ? hit : trans.__('%1 of %2', count(hits.indexOf(now) + 1), hit);
  const kept =
    found !== undefined && found > hits.length ? trans.__('%1, %2 kept', where, count(found)) : where;
  const result = wanted === null ? trans.__('no regular expression') : kept;
  const earlier = reading?.more ?? (lines[0]?.number ?? 2) > 1;
  return (
    <div className="tj-log">
      {!tail && (
        <div className="tj-tools" role="group" aria-label={trans.__('Search the log')}>
          <input
            type="search"
            className="tj-field tj-log-search"
            aria-label={trans.__('Search the log')}
            placeholder={trans.__('Search')}
            value={asked.text}
            onInput={event => change({ text: event.currentTarget.value })}
            onKeyDown={event => event.key === 'Enter' && void go(event.shiftKey ? -1 : 1)}
          />
          {toggle('regex', trans.__('Regex'))}
          {asked.text !== '' && (
            <>
              <button type="button" className="tj-tool" onClick={() => void go(-1)}>
                {trans.__('Previous')}
              </button>
              <button type="button" className="tj-tool" onClick={() => void go(1)}>
                {trans.__('Next')}
              </button>
              {toggle('only', trans.__('Only matches'))}
              <span className="tj-quiet tj-log-result" role="status">
                {result}
              </span>
            </>
          )}
          <span className="tj-tools-end">
            {toggle('errors', trans.__('Errors only'))}
            {job.nodes > 1 && (
              <input
                className="tj-field"
                aria-label={trans.__('Nodes, such as 0, 3, 5-7')}
                placeholder={trans.__('all nodes')}
                value={asked.nodes}
                onInput={event => change({ nodes: event.currentTarget.value })}
              />
            )}
            <button type="button" className="tj-tool" aria-pressed={wrap} onClick={() => setWrap(!wrap)}>
              {trans.__('Wrap')}
            </button>
          </span>
        </div>
      )}
      {note !== '' && <p className="tj-reason">{note}</p>}
      <div
        className={`tj-log-lines${tail ? ' tj-log-tail' : ''}${wrap ? '' : ' tj-log-wide'}`}
        ref={box}
        onScroll={onScroll}
        style={{ '--tj-indent': `${9 + (width && width + 1)}ch` } as CSSProperties}
        role="region"
        aria-label={trans.__('Log of all nodes')}
        tabIndex={0}
      >
        {!tail && (earlier || start > 0) && (
          <button type="button" className="tj-link tj-log-more" onClick={up}>
            {trans.__('Show earlier lines')}
          </button>
        )}
        {lines.length === 0 && (
          <p className="tj-log-none tj-quiet">
            {any ? trans.__('No line here matches.') : trans.__('Nothing has been printed yet.')}
          </p>
        )}
        {lines.slice(start).flatMap(line => [line.skipped > 0 && gap(line), cached(line)])}
      </div>
      {reading !== null && (
        <button type="button" className="tj-button tj-log-follow" onClick={follow}>
          {missed > 0 ? trans.__('Follow: %1 new', count(missed)) : trans.__('Follow')}
        </button>
      )}
    </div>
  );
}

/** What is read begins where the lines before it can be asked for. */
function freeze(log: readonly LogLine[]): Reading {
  const start = Math.max(
    0,
    log.findIndex(line => line.before !== null)
  );
  const held = log.slice(start);
  return { held, older: [], before: held[0]?.before ?? null, more: (held[0]?.number ?? 0) > 1 };
}
