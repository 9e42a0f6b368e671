/** One job, whole: what the cell shows below itself. */
import { useSyncExternalStore } from 'react';
import type { ReactElement } from 'react';

import { isLive, reason } from '../core/describe';
import type { Source } from '../core/types';
import { Announcement } from './Announcement';
import { CurvePanel } from './CurvePanel';
import { FailureBlock } from './FailureBlock';
import { Head } from './Head';
import { LogTail } from './LogTail';
import { ProgressBar } from './ProgressBar';
import { Timeline } from './Timeline';
import { useNow } from './useNow';

export function JobCard({ source }: { source: Source }): ReactElement | null {
  const view = useSyncExternalStore(source.subscribe, source.view);
  const { job } = view;
  const now = useNow(job !== null && isLive(job.state)) + view.skew;
  if (job === null) {
    return null;
  }
  const why = reason(job);
  return (
    <section className="tj-card" aria-label={`Training job ${job.name}`} data-state={job.state}>
      <Head job={job} stopping={view.stopping} onStop={source.stop} />
      <ProgressBar job={job} />
      {why !== '' && <p className="tj-reason">{why}</p>}
      <Timeline job={job} now={now} />
      {job.failure !== null && <FailureBlock failure={job.failure} />}
      <CurvePanel job={job} curves={view.curves} />
      <LogTail lines={view.log} />
      <Announcement job={job} />
    </section>
  );
}
