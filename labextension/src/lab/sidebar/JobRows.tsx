/** The jobs of a place, however many: only those in sight are in the page. */
import { useLayoutEffect, useRef, useState } from 'react';
import type { KeyboardEvent, ReactElement } from 'react';

import { isLive, stateText, tone } from '../../core/describe';
import { count } from '../../core/format';
import { summary, times } from '../../core/list';
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
  const probe = useRef<HTMLDivElement>(null);
  const [[from, to], look] = useState([0, 2000]);
  /** How much higher a row is than with letters of the usual size. */
  const [scale, grow] = useState(1);
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
    const measure = (): void => {
      const higher = Math.max(1, (probe.current?.offsetHeight ?? 0) / ROW);
      grow(higher);
      look([node.scrollTop / higher, (node.scrollTop + node.clientHeight) / higher]);
    };
    const observer = new ResizeObserver(measure);
    [node, probe.current].forEach(each => each !== null && observer.observe(each));
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
    const high = node.clientHeight / scale;
    const top = Math.min(Math.max(node.scrollTop / scale, job.top + ROW - high), job.top - HEADING);
    node.scrollTop = top * scale;
    look([top, top + high]);
    moved.current = true;
    go(job.row.uid);
  };

  const px = (height: number): string => `${height * scale}px`;
  return (
    <div className="tj-side-list" ref={box} onKeyDown={onKeyDown}>
      <div className="tj-side-probe" ref={probe} aria-hidden="true" />
      <ul
        className="tj-side-rows"
        aria-label={trans.__('Training jobs')}
        style={{ height: px(listed.height) }}
      >
        {drawn.map(item =>
          item.is === 'heading' ? (
            <li
              key={item.name}
              className="tj-side-heading"
              style={{ top: px(item.top), height: px(HEADING) }}
            >
              <h3 className="tj-group">
                {item.name} <span className="tj-quiet">{count(item.count)}</span>
              </h3>
            </li>
          ) : (
            <li
              key={item.row.uid}
              style={{ top: px(item.top), height: px(ROW) }}
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
  const [said] = summary(row, now);
  const [far, left] = times(row, now);
  return (
    <button
      type="button"
      className="tj-row tj-side-row"
      data-uid={row.uid}
      data-name={row.name}
      tabIndex={stop ? 0 : -1}
      title={[row.name, said].join('\n')}
      onClick={onOpen}
    >
      <span className={`tj-tone-${tone(row.state)}`}>
        <StateIcon state={row.state} />
        <span className="tj-unseen">{stateText(row.state)} </span>
      </span>
      <b className="tj-name">{row.name}</b> <span className="tj-far">{far}</span>{' '}
      <span className="tj-facts">{said}</span> {left !== '' && <span className="tj-far">{left}</span>}
      {isLive(row.state) && row.progress !== null && <Bar share={row.progress} />}
    </button>
  );
}

const isJob = (item: Item): item is Item & { is: 'job' } => item.is === 'job';
