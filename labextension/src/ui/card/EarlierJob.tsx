/** The notice in a new job's card that the job which the same cell sent before still runs, with a button to stop it. */
import { useState } from 'react';
import type { ReactElement } from 'react';

import type { JobsSource, JobIdentity } from '../../core/jobs/views';
import { trans } from '../../core/i18n';

type StopState = { is: 'offered' | 'requested' | 'stopped' | 'kept' } | { is: 'refused'; why: string };

/** `job` is null when it no longer runs. */
export function EarlierJob({
  job,
  jobs
}: {
  job: JobIdentity | null;
  jobs: JobsSource;
}): ReactElement | null {
  const [stopping, setStopping] = useState<JobIdentity | null>(null);
  const [state, setState] = useState<StopState>({ is: 'offered' });
  const shown = stopping ?? job;
  if (shown === null || state.is === 'kept') {
    return null;
  }
  const stop = (): void => {
    setStopping(shown);
    setState({ is: 'requested' });
    jobs.ask(shown.uid, 'stop', {}).then(
      () => setState({ is: 'stopped' }),
      (error: Error) => setState({ is: 'refused', why: error.message })
    );
  };
  const canStop = state.is === 'offered' || state.is === 'refused';
  return (
    <section className="tj-earlier" aria-label={trans.__('Earlier job %1', shown.name)}>
      <span role="status">{message(shown.name, state)}</span>
      {canStop && (
        <>
          <button type="button" className="tj-button" onClick={stop}>
            {trans.__('Stop it')}
          </button>
          <button type="button" className="tj-button" onClick={() => setState({ is: 'kept' })}>
            {trans.__('Keep both')}
          </button>
        </>
      )}
    </section>
  );
}

function message(name: string, state: StopState): string {
  switch (state.is) {
    case 'requested':
      return trans.__('Stopping %1…', name);
    case 'stopped':
      return trans.__('%1 was stopped. Its metrics and logs are kept.', name);
    case 'refused':
      return trans.__('%1 was not stopped: %2', name, state.why);
    default:
      return trans.__('%1, which this cell sent before, is still running and keeps its resources.', name);
  }
}
