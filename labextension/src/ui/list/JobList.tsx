import { useRef, useState } from 'react';
import type { ReactElement } from 'react';

import { isLive, stateText, stateTone } from '../../core/jobs/jobText';
import { count } from '../../core/format';
import { groupRows, rowSummary } from '../../core/jobs/jobGroups';
import type { JobRow } from '../../core/jobTypes';
import type { Action } from '../../core/jobs/views';
import { trans } from '../../core/i18n';
import { Bar } from '../controls/Bar';
import { StateIcon } from '../controls/Icon';
import { RowActions } from './RowActions';
import { useFocusRestore } from '../controls/useFocusRestore';
import { useNow } from '../controls/useNow';

/** How many jobs of a group are shown at first; the list of all scrolls. */
const SHOWN = 10;

export interface JobListProps {
  /** Null before the kernel has sent them. */
  rows: readonly JobRow[] | null;
  /** The uids of jobs whose cards are open. */
  open: readonly string[];
  onOpen: (uid: string) => void;
  onClose: (uid: string) => void;
  onAct: (uid: string, action: Action) => Promise<string>;
}

/**
 * The jobs of a namespace: running, waiting, stopped and finished ones. A click opens or closes a card.
 *
 * Headings and rows are one list, so that a row that moves to another group keeps its element, with the focus and an
 * open confirmation.
 */
export function JobList({ rows, open, onOpen, onClose, onAct }: JobListProps): ReactElement {
  const now = useNow(true);
  const [whole, showWhole] = useState<readonly string[]>([]);
  const box = useRef<HTMLElement>(null);
  useFocusRestore(box, '.tj-row');
  return (
    <section className="tj-card tj-list" aria-label={trans.__('Training jobs')} ref={box}>
      {rows === null && <p className="tj-empty">{trans.__('Looking for jobs…')}</p>}
      {rows?.length === 0 && (
        <p className="tj-empty">
          {trans.__('There are no jobs. Write %1 on top of a cell to start one.', '%%trainjob')}
        </p>
      )}
      {rows !== null && rows.length > 0 && (
        <ul
          className={whole.length > 0 ? 'tj-rows tj-rows-all' : 'tj-rows'}
          aria-label={trans.__('Training jobs')}
        >
          {groupRows(rows).flatMap(([name, members]) => {
            const isWhole = whole.includes(name) || members.length <= SHOWN;
            return [
              <li key={`group ${name}`}>
                <h3 className="tj-group">{name}</h3>
              </li>,
              ...(isWhole ? members : members.slice(0, SHOWN)).map(row => (
                <li key={row.uid} className="tj-rows-job">
                  <Row
                    row={row}
                    now={now}
                    isOpen={open.includes(row.uid)}
                    onClick={() => (open.includes(row.uid) ? onClose : onOpen)(row.uid)}
                  />
                  <RowActions row={row} onAct={action => onAct(row.uid, action)} />
                </li>
              )),
              !isWhole && (
                <li key={`all ${name}`}>
                  <button type="button" className="tj-link" onClick={() => showWhole([...whole, name])}>
                    {trans.__('Show all %1', count(members.length))}
                  </button>
                </li>
              )
            ];
          })}
        </ul>
      )}
    </section>
  );
}

interface RowProps {
  row: JobRow;
  now: number;
  isOpen: boolean;
  onClick: () => void;
}

function Row({ row, now, isOpen, onClick }: RowProps): ReactElement {
  const [summary, progress] = rowSummary(row, now);
  return (
    <button type="button" className="tj-row" aria-expanded={isOpen} onClick={onClick}>
      <span className={`tj-tone-${stateTone(row.state)}`}>
        <StateIcon state={row.state} />
        <span className="tj-unseen">{stateText(row.state)} </span>
      </span>
      <b className="tj-name">{row.name}</b> <span className="tj-facts">{summary}</span>{' '}
      <span className="tj-far">{progress}</span>
      {isLive(row.state) && row.progress !== null && <Bar share={row.progress} />}
    </button>
  );
}
