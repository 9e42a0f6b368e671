/** The lines of a log in a scrolling box: at the end while the log is followed, else at the reading position. */
import { useLayoutEffect, useRef } from 'react';
import type { CSSProperties, ReactElement } from 'react';

import { markMatches, styledPieces } from '../../core/log/ansi';
import { count, timeOfDay } from '../../core/format';
import type { LogLine } from '../../core/jobTypes';
import { trans } from '../../core/i18n';
import { MAX_LOADED_LINES, type LogReader } from './useLogReader';

/** A position within this distance of the end counts as the end. */
const SLACK_PIXELS = 8;
/** Within this distance of an end of the rendered lines, more are rendered. */
const AHEAD_PIXELS = 200;

export interface LogLinesProps {
  reader: LogReader;
  /** Whether to show a few lines below other panels, without links to earlier ones. */
  tail: boolean;
  wrap: boolean;
  /** How many nodes the job has: lines of one node need no number. */
  nodes: number;
  /** The text that is shown without lines. */
  empty: string;
}

export function LogLines({ reader, tail, wrap, nodes, empty }: LogLinesProps): ReactElement {
  const { lines, from, to, pattern, current, isFollowing, missed } = reader;
  const box = useRef<HTMLDivElement>(null);
  const seen = useRef({ top: 0, height: 0 });
  /** The uppermost visible line, and its position. */
  const anchor = useRef<[row: HTMLElement, top: number] | null>(null);
  const width = nodes > 1 ? String(nodes - 1).length : 0;

  useLayoutEffect(() => {
    const node = box.current;
    if (!isFollowing || node === null) {
      return;
    }
    const toEnd = (): void => {
      node.scrollTop = node.scrollHeight;
    };
    toEnd();
    const resized = new ResizeObserver(toEnd);
    resized.observe(node);
    return () => resized.disconnect();
  }, [lines, isFollowing, wrap]);
  // Keeps the reading position when lines are inserted above it.
  useLayoutEffect(() => {
    const node = box.current;
    if (node !== null && !isFollowing) {
      const [row, top] = anchor.current ?? [];
      if (row?.isConnected && row.offsetTop !== top) {
        node.scrollTop += row.offsetTop - (top ?? 0);
      }
      anchor.current = topRow(node);
    }
  }, [lines, from, to, isFollowing]);
  useLayoutEffect(() => {
    const [node, row] = [box.current, box.current?.querySelector<HTMLElement>('.tj-log-now')];
    if (node && row) {
      const below = row.offsetTop - node.scrollTop;
      if (below < 0 || below > node.clientHeight - 20) {
        node.scrollTop = row.offsetTop - node.clientHeight / 2;
      }
    }
  }, [current]);

  const onScroll = (): void => {
    const node = box.current;
    if (node === null) {
      return;
    }
    const { top, height } = seen.current;
    seen.current = { top: node.scrollTop, height: node.scrollHeight };
    anchor.current = topRow(node);
    const rest = node.scrollHeight - node.scrollTop - node.clientHeight;
    if (to < lines.length && rest < AHEAD_PIXELS) {
      reader.showLater();
    } else if (rest <= SLACK_PIXELS) {
      if (!isFollowing && missed === 0 && current === null) {
        reader.follow();
      }
    } else if (node.scrollTop < top && node.scrollHeight === height) {
      // The user scrolled up: the height is unchanged, so no lines were added or wrapped.
      reader.stopFollowing();
      if (node.scrollTop < AHEAD_PIXELS) {
        reader.showEarlier();
      }
    }
  };

  // Caches the elements of unchanged lines.
  const rows = useRef({ key: '', made: new WeakMap<LogLine, ReactElement>() });
  const key = `${pattern} ${width}`;
  if (rows.current.key !== key) {
    rows.current = { key, made: new WeakMap() };
  }
  const rowOf = (line: LogLine): ReactElement => {
    if (line.number === current?.number) {
      return renderLine(line, width, pattern, true);
    }
    const made = rows.current.made.get(line) ?? renderLine(line, width, pattern, false);
    rows.current.made.set(line, made);
    return made;
  };

  return (
    <div
      className={`tj-log-lines${tail ? ' tj-log-tail' : ''}${wrap ? '' : ' tj-log-wide'}`}
      ref={box}
      onScroll={onScroll}
      style={{ '--tj-indent': `${9 + (width && width + 1)}ch` } as CSSProperties}
      role="region"
      aria-label={trans.__('Log of all nodes')}
      tabIndex={0}
    >
      {!tail && reader.hasEarlier && (from > 0 || lines.length < MAX_LOADED_LINES) && (
        <button type="button" className="tj-link tj-log-more" onClick={reader.showEarlier}>
          {trans.__('Show earlier lines')}
        </button>
      )}
      {!tail && from === 0 && lines.length >= MAX_LOADED_LINES && (
        <p className="tj-log-none tj-quiet">
          {trans.__('%1 lines are loaded. Search or choose nodes to find earlier ones.', count(lines.length))}
        </p>
      )}
      {lines.length === 0 && <p className="tj-log-none tj-quiet">{empty}</p>}
      {lines
        .slice(from, to)
        .flatMap(line => [
          line.skipped > 0 && <Gap key={`gap ${line.number}`} line={line} onFill={reader.fillGap} />,
          rowOf(line)
        ])}
      {!tail && to < lines.length && (
        <button type="button" className="tj-link tj-log-more" onClick={reader.showLater}>
          {trans.__('Show later lines')}
        </button>
      )}
    </div>
  );
}

function Gap({ line, onFill }: { line: LogLine; onFill: (line: LogLine) => void }): ReactElement {
  return (
    <button type="button" className="tj-link tj-log-more" onClick={() => onFill(line)}>
      {trans._n('%2 line skipped: show', '%2 lines skipped: show', line.skipped, count(line.skipped))}
    </button>
  );
}

function renderLine(line: LogLine, width: number, pattern: RegExp | null, isCurrent: boolean): ReactElement {
  const parts = styledPieces(line.text);
  return (
    <div
      key={line.number}
      className={`tj-log-line${isCurrent ? ' tj-log-now' : ''}`}
      data-at={`${timeOfDay(line.time)} ${width > 0 ? String(line.node).padStart(width) : ''}`.trimEnd()}
    >
      {(pattern === null ? parts : markMatches(parts, pattern)).map(piece => {
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
}

function topRow(box: HTMLElement): [row: HTMLElement, top: number] | null {
  const rows = [...box.querySelectorAll<HTMLElement>('.tj-log-line')];
  const top = rows.find(row => row.offsetTop + row.offsetHeight > box.scrollTop);
  return top === undefined ? null : [top, top.offsetTop];
}
