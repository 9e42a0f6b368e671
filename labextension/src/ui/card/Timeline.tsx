import type { ReactElement } from 'react';

import { type PhaseMark, phaseText, timeline } from '../../core/jobs/jobText';
import type { Job } from '../../core/jobTypes';
import { duration } from '../../core/format';
import { type Texts, textOf, trans } from '../../core/i18n';
import { MarkIcon } from '../controls/Icon';

const MARK_TEXTS: Texts<PhaseMark> = {
  done: () => trans.__('done'),
  now: () => trans.__('now'),
  failed: () => trans.__('failed'),
  halted: () => trans.__('halted')
};

/** The phases of the job, each with its duration. */
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
          <span className="tj-unseen"> {textOf(MARK_TEXTS, mark)}</span>
        </li>
      ))}
    </ol>
  );
}
