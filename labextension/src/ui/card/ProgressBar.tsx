import type { ReactElement } from 'react';

import { isLive, progressText } from '../../core/jobs/jobText';
import type { Job } from '../../core/jobTypes';
import { trans } from '../../core/i18n';

/** The progress bar under the head, indeterminate if the total is unknown. Not rendered when the job is over. */
export function ProgressBar({ job }: { job: Job }): ReactElement {
  if (!isLive(job.state)) {
    return <div className="tj-rule" />;
  }
  const share = job.progress;
  const moving = share === null && job.state !== 'Queued';
  return (
    <div
      className={`tj-progress${moving ? ' tj-progress-moving' : ''}`}
      role="progressbar"
      aria-label={trans.__('Progress of %1', job.name)}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={share === null ? undefined : Math.floor(share * 100)}
      aria-valuetext={progressText(job)}
    >
      {(moving || share !== null) && (
        <div className="tj-progress-done" style={{ width: share === null ? undefined : `${share * 100}%` }} />
      )}
    </div>
  );
}
