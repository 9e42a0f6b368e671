/** Why a place's jobs are not shown as they are now, and where to log in if that helps. */
import type { ReactElement } from 'react';

import type { Place } from '../core/stream';
import { trans } from '../core/words';
import { useView } from '../ui/useView';

export function Trouble({ place }: { place: Place }): ReactElement | null {
  const { trouble: away, login } = useView(place);
  const { trouble } = useView(place.jobs);
  const why = away || trouble;
  return why === '' ? null : (
    <p className="tj-trouble" role="status">
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
  );
}
