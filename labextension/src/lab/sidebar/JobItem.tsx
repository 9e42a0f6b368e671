/** A job of the sidebar's list: its row and its actions. */
import { useLayoutEffect, useRef } from 'react';
import type { ReactElement } from 'react';

import { isLive, stateText, stateTone } from '../../core/jobs/jobText';
import { rowSummary, rowTimes } from '../../core/jobs/jobGroups';
import type { JobRow } from '../../core/jobTypes';
import type { Action } from '../../core/jobs/views';
import { Bar } from '../../ui/controls/Bar';
import { StateIcon } from '../../ui/controls/Icon';
import { type ConfirmationFacts, RowActions } from '../../ui/list/RowActions';

export interface JobItemProps {
  row: JobRow;
  now: number;
  /** The height of the row in pixels, without a confirmation or a message. */
  height: number;
  /** Whether the Tab key stops here. */
  isStop: boolean;
  onOpen: () => void;
  onAct: (action: Action) => Promise<string>;
  loadFacts: (action: Action) => Promise<ConfirmationFacts>;
  /** Called with the height in pixels of the confirmation or message below the row. */
  onMore: (uid: string, pixels: number) => void;
}

export function JobItem(props: JobItemProps): ReactElement {
  const { row, now, height, isStop, onOpen, onAct, loadFacts, onMore } = props;
  const actions = useRef<HTMLDivElement>(null);
  const { uid } = row;
  useLayoutEffect(() => {
    const node = actions.current;
    if (node === null) {
      return undefined;
    }
    const observer = new ResizeObserver(() => onMore(uid, node.offsetHeight));
    observer.observe(node);
    return () => {
      observer.disconnect();
      onMore(uid, 0);
    };
  }, [uid, onMore]);
  return (
    <>
      <Row row={row} now={now} height={height} isStop={isStop} onOpen={onOpen} />
      <div ref={actions}>
        <RowActions row={row} isStop={isStop} onAct={onAct} loadFacts={loadFacts} />
      </div>
    </>
  );
}

type RowProps = Pick<JobItemProps, 'row' | 'now' | 'height' | 'isStop' | 'onOpen'>;

function Row({ row, now, height, isStop, onOpen }: RowProps): ReactElement {
  const [summary] = rowSummary(row, now);
  const [progress, remaining] = rowTimes(row, now);
  return (
    <button
      type="button"
      className="tj-row tj-side-row"
      data-name={row.name}
      style={{ height: `${height}px` }}
      tabIndex={isStop ? 0 : -1}
      title={[row.name, summary].join('\n')}
      onClick={onOpen}
    >
      <span className={`tj-tone-${stateTone(row.state)}`}>
        <StateIcon state={row.state} />
        <span className="tj-unseen">{stateText(row.state)} </span>
      </span>
      <b className="tj-name">{row.name}</b> <span className="tj-far">{progress}</span>{' '}
      <span className="tj-facts">{summary}</span>{' '}
      {remaining !== '' && <span className="tj-far">{remaining}</span>}
      {isLive(row.state) && row.progress !== null && <Bar share={row.progress} />}
    </button>
  );
}
