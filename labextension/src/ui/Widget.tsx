/** Everything of one comm: a list of jobs where there is one, and the cards of those that are open. */
import type { ReactElement } from 'react';

import type { Boards } from '../core/types';
import { JobCard } from './JobCard';
import { JobList } from './JobList';
import { useView } from './useView';

export function Widget({ jobs }: { jobs: Boards }): ReactElement {
  const { panel, rows, open } = useView(jobs);
  return (
    <>
      {panel && (
        <JobList rows={rows} open={open.map(source => source.uid)} onOpen={jobs.open} onClose={jobs.close} />
      )}
      {open.map((source, i) => (
        <JobCard
          key={source.uid}
          source={source}
          onClose={panel || i > 0 ? () => jobs.close(source.uid) : undefined}
        />
      ))}
    </>
  );
}
