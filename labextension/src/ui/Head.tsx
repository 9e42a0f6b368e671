import type { ReactElement } from 'react';

import { facts, howFar, stateText, tone } from '../core/describe';
import type { Job, Source } from '../core/types';
import { Actions } from './Actions';
import { StateIcon } from './Icon';

export interface HeadProps {
  job: Job;
  source: Source;
  onClose?: (() => void) | undefined;
}

/** State and name first, then where and how big, then how far; what can be done at the end. */
export function Head({ job, source, onClose }: HeadProps): ReactElement {
  return (
    <header className="tj-head">
      <span className={`tj-state tj-tone-${tone(job.state)}`}>
        <StateIcon state={job.state} /> {stateText(job.state)}
      </span>
      <h3 className="tj-name" title={`${job.namespace}/${job.name}`}>
        {job.name}
      </h3>
      <span className="tj-facts">{facts(job).join(' · ')}</span>
      <span className="tj-far">{howFar(job).join(' · ')}</span>
      <Actions job={job} source={source} onClose={onClose} />
    </header>
  );
}
