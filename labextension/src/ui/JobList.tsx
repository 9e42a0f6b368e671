import { useId, useState } from 'react';
import type { ReactElement } from 'react';

import { isLive, stateText, tone } from '../core/describe';
import { count } from '../core/format';
import { grouped, summary } from '../core/list';
import type { JobRow } from '../core/types';
import { trans } from '../core/words';
import { Bar } from './Bar';
import { StateIcon } from './Icon';
import { useNow } from './useNow';

/** So many of a group are shown at first. */
const SHOWN = 20;

export interface JobListProps {
  /** Null before the kernel has said anything. */
  rows: readonly JobRow[] | null;
  /** The uids of jobs whose cards are open. */
  open: readonly string[];
  onOpen: (uid: string) => void;
  onClose: (uid: string) => void;
}

/** The jobs of a namespace: those that run, wait, were stopped, are over. A click opens or closes a card. */
export function JobList({ rows, open, onOpen, onClose }: JobListProps): ReactElement {
  const now = useNow(true);
  return (
    <section className="tj-card tj-list" aria-label={trans.__('Training jobs')}>
      {rows === null && <p className="tj-empty">{trans.__('Looking for jobs…')}</p>}
      {rows?.length === 0 && (
        <p className="tj-empty">
          {trans.__('There are no jobs. Write %1 on top of a cell to start one.', '%%trainjob')}
        </p>
      )}
      {grouped(rows ?? []).map(([name, found]) => (
        <Group key={name} name={name} rows={found}>
          {row => {
            const [said, far] = summary(row, now);
            const isOpen = open.includes(row.uid);
            return (
              <button
                type="button"
                className="tj-row"
                aria-expanded={isOpen}
                onClick={() => (isOpen ? onClose : onOpen)(row.uid)}
              >
                <span className={`tj-tone-${tone(row.state)}`}>
                  <StateIcon state={row.state} />
                  <span className="tj-unseen">{stateText(row.state)} </span>
                </span>
                <b className="tj-name">{row.name}</b> <span className="tj-facts">{said}</span>{' '}
                <span className="tj-far">{far}</span>
                {isLive(row.state) && row.progress !== null && <Bar share={row.progress} />}
              </button>
            );
          }}
        </Group>
      ))}
    </section>
  );
}

interface GroupProps {
  name: string;
  rows: readonly JobRow[];
  children: (row: JobRow) => ReactElement;
}

function Group({ name, rows, children }: GroupProps): ReactElement {
  const id = useId();
  const [all, showAll] = useState(false);
  return (
    <>
      <h3 id={id} className="tj-group">
        {name}
      </h3>
      <ul className="tj-rows" aria-labelledby={id}>
        {(all ? rows : rows.slice(0, SHOWN)).map(row => (
          <li key={row.uid}>{children(row)}</li>
        ))}
      </ul>
      {!all && rows.length > SHOWN && (
        <button type="button" className="tj-link" onClick={() => showAll(true)}>
          {trans.__('Show all %1', count(rows.length))}
        </button>
      )}
    </>
  );
}
