import type { ReactElement } from 'react';

import { blamed } from '../core/describe';
import type { Failure } from '../core/types';
import { trans } from '../core/words';

/** Why it failed: the sentence, what to do, the line of the cell; the traceback on demand. */
export function FailureBlock({ failure }: { failure: Failure }): ReactElement {
  const { headline, first, remedy, where, source, rank, traceback } = failure;
  const who = blamed(failure);
  return (
    <div className="tj-failure">
      <div className="tj-failure-words">
        <p className="tj-failure-headline">{headline}</p>
        {first !== '' && <p className="tj-failure-remedy">{first}</p>}
        {remedy !== '' && <p className="tj-failure-remedy">{remedy}</p>}
      </div>
      {(where !== '' || who !== '') && (
        <p className="tj-failure-where">
          {where !== '' && <span className="tj-quiet">{where}</span>}
          {source !== '' && <code>{source.trim()}</code>}
          {who !== '' && <span className="tj-tone-bad">{source === '' ? who : `← ${who}`}</span>}
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
