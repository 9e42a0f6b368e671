/** The virtualised list of jobs: only visible rows are rendered. */
import { useCallback, useLayoutEffect, useMemo, useRef, useState } from 'react';
import type { KeyboardEvent, ReactElement } from 'react';

import { count } from '../../core/format';
import { nextFocus } from '../../core/rovingFocus';
import type { JobRow } from '../../core/jobTypes';
import type { Action } from '../../core/jobs/views';
import { trans } from '../../core/i18n';
import type { ConfirmationFacts } from '../../ui/list/RowActions';
import { useNow } from '../../ui/controls/useNow';
import { JobItem } from './JobItem';
import {
  HEADING_HEIGHT,
  visibleItems,
  type Item,
  type RowLayout,
  ROW_HEIGHT,
  withExtraHeights
} from './rows';

export interface RowCallbacks {
  /** Returns a message for the user, or an empty string; rejects with an `Error` whose message is shown to the user. */
  onAct: (row: JobRow, action: Action) => Promise<string>;
  /** Loads the facts that the confirmation of an action depends on. */
  loadFacts: (row: JobRow, action: Action) => Promise<ConfirmationFacts>;
}

export interface JobRowsProps extends RowCallbacks {
  listed: RowLayout;
  onOpen: (row: JobRow) => void;
  onDelete: (row: JobRow) => void;
}

export function JobRows({ listed, onOpen, onDelete, onAct, loadFacts }: JobRowsProps): ReactElement {
  const box = useRef<HTMLDivElement>(null);
  const probe = useRef<HTMLDivElement>(null);
  const [[from, to], setVisible] = useState([0, 2000]);
  /** The height of a row relative to that with the default font size. */
  const [scale, setScale] = useState(1);
  /** The job that is the tab stop, and its index, which is used when the job is gone. */
  const [current, setCurrent] = useState<{ uid: string; at: number } | null>(null);
  /** Heights in pixels of the confirmations and messages in rows, by uid. */
  const [more, setMore] = useState<ReadonlyMap<string, number>>(new Map());
  const moved = useRef(false);
  /** The uid of the job that has the focus, or had it when it was removed. */
  const focused = useRef<string | null>(null);
  const now = useNow(true);
  const all = useMemo(() => {
    const scaled = [...more].map(([uid, pixels]): [string, number] => [uid, pixels / scale]);
    return withExtraHeights(listed, new Map(scaled));
  }, [listed, more, scale]);
  const jobs = all.items.filter(isJob);
  const index = jobs.findIndex(entry => entry.row.uid === current?.uid);
  const at = index >= 0 ? index : Math.max(0, Math.min(current?.at ?? 0, jobs.length - 1));

  // The tab stop is always rendered, so that scrolling loses neither it nor the focus; and so are rows with a confirmation
  // or a message.
  const kept = jobs[at];
  const seen = new Set<Item>(visibleItems(all.items, from, to));
  const drawn = all.items.filter(
    item => seen.has(item) || item === kept || (isJob(item) && more.has(item.row.uid))
  );

  const onMore = useCallback((uid: string, pixels: number): void => {
    setMore(before => {
      if ((before.get(uid) ?? 0) === pixels) {
        return before;
      }
      const after = new Map(before);
      after.delete(uid);
      return pixels === 0 ? after : after.set(uid, pixels);
    });
  }, []);
  useLayoutEffect(() => {
    const node = box.current;
    if (node === null) {
      return undefined;
    }
    const measure = (): void => {
      const higher = Math.max(1, (probe.current?.offsetHeight ?? 0) / ROW_HEIGHT);
      setScale(higher);
      setVisible([node.scrollTop / higher, (node.scrollTop + node.clientHeight) / higher]);
    };
    const observer = new ResizeObserver(measure);
    [node, probe.current].forEach(entry => entry !== null && observer.observe(entry));
    node.addEventListener('scroll', measure, { passive: true });
    return () => {
      observer.disconnect();
      node.removeEventListener('scroll', measure);
    };
  }, []);
  useLayoutEffect(() => {
    const node = box.current;
    const onIn = ({ target }: FocusEvent): void => {
      const item = itemOf(target);
      if (item !== null) {
        focused.current = item.dataset.uid ?? null;
        setCurrent({ uid: item.dataset.uid ?? '', at: Number(item.getAttribute('aria-posinset')) - 1 });
      }
    };
    const onOut = ({ target }: FocusEvent): void => {
      queueMicrotask(() => {
        if ((target as Node).isConnected && !node?.contains(document.activeElement)) {
          focused.current = null; // The focus left the list; the row was not removed.
        }
      });
    };
    node?.addEventListener('focusin', onIn);
    node?.addEventListener('focusout', onOut);
    return () => {
      node?.removeEventListener('focusin', onIn);
      node?.removeEventListener('focusout', onOut);
    };
  }, []);
  useLayoutEffect(() => {
    // If the job with the focus was deleted, its neighbour gets the focus.
    const isGone = focused.current !== null && !jobs.some(({ row }) => row.uid === focused.current);
    const isLost = isGone && document.activeElement === document.body;
    if ((moved.current || isLost) && kept !== undefined) {
      moved.current = false;
      rowOf(box.current, kept.row.uid)?.focus();
    }
  });

  const onKeyDown = (event: KeyboardEvent): void => {
    const next = nextFocus(event.key, at, jobs.length, 1);
    const job = next === null ? undefined : jobs[next];
    const node = box.current;
    const isAsking = (event.target as Element).closest('.tj-question') !== null;
    if (event.key === 'Delete' && kept !== undefined && !isAsking) {
      event.preventDefault();
      onDelete(kept.row);
    }
    if (job === undefined || node === null) {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    // The row has to be rendered before it can get the focus.
    const high = node.clientHeight / scale;
    const top = Math.min(
      Math.max(node.scrollTop / scale, job.top + ROW_HEIGHT - high),
      job.top - HEADING_HEIGHT
    );
    node.scrollTop = top * scale;
    setVisible([top, top + high]);
    moved.current = true;
    setCurrent({ uid: job.row.uid, at: job.at });
  };

  const px = (height: number): string => `${height * scale}px`;
  return (
    <div className="tj-side-list" ref={box} onKeyDown={onKeyDown}>
      <div className="tj-side-probe" ref={probe} aria-hidden="true" />
      <ul className="tj-side-rows" aria-label={trans.__('Training jobs')} style={{ height: px(all.height) }}>
        {drawn.map(item =>
          item.is === 'heading' ? (
            <li
              key={item.name}
              className="tj-side-heading"
              style={{ top: px(item.top), height: px(HEADING_HEIGHT) }}
            >
              <h3 className="tj-group">
                {item.name} <span className="tj-quiet">{count(item.count)}</span>
              </h3>
            </li>
          ) : (
            <li
              key={item.row.uid}
              data-uid={item.row.uid}
              style={{ top: px(item.top), minHeight: px(ROW_HEIGHT) }}
              aria-setsize={listed.jobs}
              aria-posinset={item.at + 1}
            >
              <JobItem
                row={item.row}
                now={now}
                height={ROW_HEIGHT * scale - 1}
                isStop={item.at === at}
                onOpen={() => onOpen(item.row)}
                onAct={action => onAct(item.row, action)}
                loadFacts={action => loadFacts(item.row, action)}
                onMore={onMore}
              />
            </li>
          )
        )}
      </ul>
    </div>
  );
}

/** The row of a job; null if it is not rendered. */
export const rowOf = (list: ParentNode | null, uid: string): HTMLElement | null =>
  list?.querySelector<HTMLElement>(`[data-uid="${CSS.escape(uid)}"] .tj-row`) ?? null;

/** The list item of a job that contains a node. */
const itemOf = (target: EventTarget | null): HTMLElement | null =>
  target instanceof Element ? target.closest<HTMLElement>('[data-uid]') : null;

const isJob = (item: Item): item is Item & { is: 'job' } => item.is === 'job';
