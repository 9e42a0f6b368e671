import type { ReactElement } from 'react';

import { failedRankText } from '../../core/jobs/jobText';
import type { Failure } from '../../core/jobTypes';
import { trans } from '../../core/i18n';

/** The failure of a job: headline, remedy, and line of the cell; the traceback on demand. */
export function FailureBlock({ failure }: { failure: Failure }): ReactElement {
  const { headline, first, remedy, where, source, rank, traceback } = failure;
  const rankText = failedRankText(failure);
  return (
    <div className="tj-failure">
      <div className="tj-failure-words">
        <p className="tj-failure-headline">{headline}</p>
        {first !== '' && <p className="tj-failure-remedy">{first}</p>}
        {remedy !== '' && <p className="tj-failure-remedy">{remedy}</p>}
      </div>
      {(where !== '' || rankText !== '') && (
        <p className="tj-failure-where">
          {where !== '' && <span className="tj-quiet">{where}</span>}
          {source !== '' && <code>{source.trim()}</code>}
          {rankText !== '' && (
            <span className="tj-tone-bad">{source === '' ? rankText : `← ${rankText}`}</span>
          )}
        </p>
      )}
      {traceback !== '' && (
        <details className="tj-traceback">
          <summary>{rank === null ? trans.__('Traceback') : trans.__('Traceback of rank %1', rank)}</summary>
          <pre tabIndex={0}>{traceback}</pre>
        </details>
      )}
    </div>
  );
}
