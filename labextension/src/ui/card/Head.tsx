import type { ReactElement } from 'react';

import { jobFacts, progressFacts, stateText, stateTone } from '../../core/jobs/jobText';
import type { Job } from '../../core/jobTypes';
import type { JobSource } from '../../core/jobs/views';
import { trans } from '../../core/i18n';
import { Actions } from './Actions';
import { StateIcon } from '../controls/Icon';

export interface HeadProps {
  job: Job;
  source: JobSource;
  onClose?: (() => void) | undefined;
}

/**
 * The head of the card: state and name, facts, progress, actions. If there is room, also the expression of the job's
 * handle, which is always the name's tooltip.
 */
export function Head({ job, source, onClose }: HeadProps): ReactElement {
  return (
    <header className="tj-head">
      <span className={`tj-state tj-tone-${stateTone(job.state)}`}>
        <StateIcon state={job.state} /> {stateText(job.state)}
      </span>
      <h3 className="tj-name" title={[`${job.namespace}/${job.name}`, job.reach].join('\n').trim()}>
        {job.name}
      </h3>
      <span className="tj-facts">
        <span>{jobFacts(job).join(' · ')}</span>
        {job.reach !== '' && (
          <code className="tj-reach" title={trans.__('The job in Python')}>
            {job.reach}
          </code>
        )}
      </span>
      <span className="tj-far">{progressFacts(job).join(' · ')}</span>
      <Actions job={job} source={source} onClose={onClose} />
    </header>
  );
}
