/** Why a place's jobs are not shown as they are now, and where to log in if that helps. */
import type { ReactElement } from 'react';

import type { Place } from '../core/stream';
import { trans } from '../core/words';
import { useView } from '../ui/useView';

export function Trouble({ place }: { place: Place }): ReactElement {
  const { trouble: away, login } = useView(place);
  const { trouble } = useView(place.jobs);
  const why = away || trouble;
  return (
    // It is there before there is anything to say: what comes with its words is read out by nobody.
    <div role="status">
      {why !== '' && (
        <p className="tj-trouble">
          {why}
          {login !== '' && (
            <>
              {' '}
              <a href={login} target="_blank" rel="noopener noreferrer">
                {trans.__('Log in')}
              </a>
            </>
          )}
        </p>
      )}
    </div>
  );
}
