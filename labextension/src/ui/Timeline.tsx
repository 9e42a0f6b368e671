import type { ReactElement } from 'react';

import { type Mark, phaseText, timeline } from '../core/describe';
import type { Job } from '../core/types';
import { duration } from '../core/format';
import { type Texts, textOf, trans } from '../core/words';
import { MarkIcon } from './Icon';

const SPOKEN: Texts<Mark> = {
  done: () => trans.__('done'),
  now: () => trans.__('now'),
  failed: () => trans.__('failed'),
  halted: () => trans.__('halted')
};

/** The phases of the job's life, each with its length. */
export function Timeline({ job, now }: { job: Job; now: number }): ReactElement | null {
  const stretches = timeline(job, now);
  if (stretches.length === 0) {
    return null;
  }
  return (
    <ol className="tj-timeline" aria-label={trans.__('Phases')}>
      {stretches.map(({ name, mark, seconds }) => (
        <li key={name} className={`tj-phase tj-phase-${mark}`}>
          <MarkIcon mark={mark} /> <span className="tj-phase-name">{phaseText(name)}</span>{' '}
          {seconds !== null && <span className="tj-phase-time">{duration(seconds)}</span>}
          <span className="tj-unseen"> {textOf(SPOKEN, mark)}</span>
        </li>
      ))}
    </ol>
  );
}
