/** The jobs of a place, however many: only those in sight are in the page. */
import { useLayoutEffect, useRef, useState } from 'react';
import type { KeyboardEvent, ReactElement } from 'react';

import { isLive, stateText, tone } from '../../core/describe';
import { count } from '../../core/format';
import { summary } from '../../core/list';
import { roving } from '../../core/roving';
import type { JobRow } from '../../core/types';
import { trans } from '../../core/words';
import { Bar } from '../../ui/Bar';
import { StateIcon } from '../../ui/Icon';
import { useNow } from '../../ui/useNow';
import { HEADING, inSight, type Item, type Listed, ROW } from './rows';

export interface JobRowsProps {
  listed: Listed;
  onOpen: (row: JobRow) => void;
  onDelete: (row: JobRow) => void;
}

export function JobRows({ listed, onOpen, onDelete }: JobRowsProps): ReactElement {
  const box = useRef<HTMLDivElement>(null);
  const [[from, to], look] = useState([0, 2000]);
  /** The uid of the job that the Tab key leads to. */
  const [current, go] = useState<string | null>(null);
  const moved = useRef(false);
  const now = useNow(true);
  const jobs = listed.items.filter(isJob);
  const at = Math.max(
    0,
    jobs.findIndex(each => each.row.uid === current)
  );

  // The one that the Tab key leads to is always there, so that a scroll loses neither it nor the focus.
  const kept = jobs[at];
  const seen = inSight(listed.items, from, to);
  const drawn =
    kept === undefined || seen.includes(kept) ? seen : [...seen, kept].sort((a, b) => a.top - b.top);

  useLayoutEffect(() => {
    const node = box.current;
    if (node === null) {
      return undefined;
    }
    const measure = (): void => look([node.scrollTop, node.scrollTop + node.clientHeight]);
    const observer = new ResizeObserver(measure);
    observer.observe(node);
    node.addEventListener('scroll', measure, { passive: true });
    return () => {
      observer.disconnect();
      node.removeEventListener('scroll', measure);
    };
  }, []);
  useLayoutEffect(() => {
    if (moved.current && current !== null) {
      moved.current = false;
      box.current?.querySelector<HTMLElement>(`[data-uid="${CSS.escape(current)}"]`)?.focus();
    }
  });

  const onKeyDown = (event: KeyboardEvent): void => {
    const next = roving(event.key, at, jobs.length, 1);
    const job = next === null ? undefined : jobs[next];
    const node = box.current;
    if (event.key === 'Delete' && kept !== undefined) {
      event.preventDefault();
      onDelete(kept.row);
    }
    if (job === undefined || node === null) {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    // It has to be in the page before it can have the focus.
    node.scrollTop = Math.min(Math.max(node.scrollTop, job.top + ROW - node.clientHeight), job.top - HEADING);
    look([node.scrollTop, node.scrollTop + node.clientHeight]);
    moved.current = true;
    go(job.row.uid);
  };

  return (
    <div className="tj-side-list" ref={box} onKeyDown={onKeyDown}>
      <ul
        className="tj-side-rows"
        aria-label={trans.__('Training jobs')}
        style={{ height: `${listed.height}px` }}
      >
        {drawn.map(item =>
          item.is === 'heading' ? (
            <li key={item.name} className="tj-side-heading" style={{ top: `${item.top}px` }}>
              <h3 className="tj-group">
                {item.name} <span className="tj-quiet">{count(item.count)}</span>
              </h3>
            </li>
          ) : (
            <li
              key={item.row.uid}
              style={{ top: `${item.top}px` }}
              aria-setsize={listed.jobs}
              aria-posinset={item.at + 1}
            >
              <Row
                row={item.row}
                now={now}
                stop={item.at === at}
                onOpen={() => {
                  go(item.row.uid);
                  onOpen(item.row);
                }}
              />
            </li>
          )
        )}
      </ul>
    </div>
  );
}

interface RowProps {
  row: JobRow;
  now: number;
  /** Whether the Tab key stops here. */
  stop: boolean;
  onOpen: () => void;
}

function Row({ row, now, stop, onOpen }: RowProps): ReactElement {
  const [said, far] = summary(row, now);
  return (
    <button
      type="button"
      className="tj-row tj-side-row"
      data-uid={row.uid}
      data-name={row.name}
      tabIndex={stop ? 0 : -1}
      title={row.reason}
      onClick={onOpen}
    >
      <span className={`tj-tone-${tone(row.state)}`}>
        <StateIcon state={row.state} />
        <span className="tj-unseen">{stateText(row.state)} </span>
      </span>
      <b className="tj-name">{row.name}</b> <span className="tj-far">{far}</span>{' '}
      <span className="tj-facts">{said}</span>
      {isLive(row.state) && row.progress !== null && <Bar share={row.progress} />}
    </button>
  );
}

const isJob = (item: Item): item is Item & { is: 'job' } => item.is === 'job';
