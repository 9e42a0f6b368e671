/** The widget of one comm: the job list of a panel, and the cards of open jobs. */
import type { ReactElement } from 'react';

import type { JobsSource } from '../core/jobs/views';
import { EarlierJob } from './card/EarlierJob';
import { JobCard } from './card/JobCard';
import { JobList } from './list/JobList';
import { useView } from './controls/useView';

export function Widget({ jobs }: { jobs: JobsSource }): ReactElement {
  const { panel, rows, open, before } = useView(jobs);
  return (
    <>
      {panel && (
        <JobList
          rows={rows}
          open={open.map(source => source.uid)}
          onOpen={jobs.open}
          onClose={jobs.close}
          onAct={jobs.act}
        />
      )}
      {open.map((source, i) => (
        <JobCard
          key={source.uid}
          source={source}
          notice={i === 0 ? <EarlierJob job={before} jobs={jobs} /> : undefined}
          onClose={panel || i > 0 ? () => jobs.close(source.uid) : undefined}
        />
      ))}
    </>
  );
}
