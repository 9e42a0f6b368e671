import type { ReactElement } from 'react';

import { timeline } from '../core/describe';
import type { Job } from '../core/types';
import { duration } from '../core/format';
import { MarkIcon } from './Icon';

const SPOKEN = { done: 'done', now: 'now', failed: 'failed', halted: 'halted' } as const;

/** The phases of the job's life, each with its length. */
export function Timeline({ job, now }: { job: Job; now: number }): ReactElement | null {
  const stretches = timeline(job, now);
  if (stretches.length === 0) {
    return null;
  }
  return (
    <ol className="tj-timeline" aria-label="Phases">
      {stretches.map(({ name, mark, seconds }) => (
        <li key={name} className={`tj-phase tj-phase-${mark}`}>
          <MarkIcon mark={mark} /> <span className="tj-phase-name">{name}</span>{' '}
          {seconds !== null && <span className="tj-phase-time">{duration(seconds)}</span>}
          <span className="tj-unseen"> {SPOKEN[mark]}</span>
        </li>
      ))}
    </ol>
  );
}
