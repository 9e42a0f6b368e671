import type { ReactElement } from 'react';

import { facts, howFar, isLive, tone } from '../core/describe';
import type { Job, Stopping } from '../core/types';
import { StateIcon } from './Icon';
import { StopButton } from './StopButton';

export interface HeadProps {
  job: Job;
  stopping: Stopping;
  onStop: () => void;
}

/** State and name first, then where and how big, then how far; the one action at the end. */
export function Head({ job, stopping, onStop }: HeadProps): ReactElement {
  return (
    <header className="tj-head">
      <span className={`tj-state tj-tone-${tone(job.state)}`}>
        <StateIcon state={job.state} /> {job.state}
      </span>
      <h3 className="tj-name" title={`${job.namespace}/${job.name}`}>
        {job.name}
      </h3>
      <span className="tj-facts">{facts(job).join(' · ')}</span>
      <span className="tj-far">{howFar(job).join(' · ')}</span>
      {isLive(job.state) && <StopButton name={job.name} stopping={stopping} onStop={onStop} />}
    </header>
  );
}
