import type { ReactElement } from 'react';

import type { JobRow } from '../core/types';

export interface JobListProps {
  rows: readonly JobRow[];
  /** The uids of jobs whose cards are open. */
  open: readonly string[];
  onOpen: (uid: string) => void;
  onClose: (uid: string) => void;
}

/** The jobs of a namespace: those that run, those that wait, those that are over. */
export function JobList({ rows, open, onOpen, onClose }: JobListProps): ReactElement {
  return (
    <section className="tj-card" aria-label="Training jobs">
      <ul>
        {rows.map(({ uid, name }) => (
          <li key={uid}>
            <button
              type="button"
              aria-pressed={open.includes(uid)}
              onClick={() => (open.includes(uid) ? onClose : onOpen)(uid)}
            >
              {name}
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}
