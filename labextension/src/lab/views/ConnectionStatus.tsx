/** Why a channel's jobs are missing or out of date, and a login link if that helps. */
import type { ReactElement } from 'react';

import type { Channel } from '../../core/jobs/jobStream';
import { trans } from '../../core/i18n';
import { useView } from '../../ui/controls/useView';

export interface ConnectionStatusProps {
  channel: Channel;
  /** Whether the status is not an error, as for an embedded cluster that is not running. */
  isCalm?: boolean;
}

export function ConnectionStatus({ channel, isCalm = false }: ConnectionStatusProps): ReactElement {
  const { trouble: connectionTrouble, login } = useView(channel);
  const { trouble } = useView(channel.jobs);
  const why = connectionTrouble || trouble;
  return (
    // Rendered even if empty: screen readers ignore a status element that is added together with its text.
    <div role="status">
      {why !== '' && (
        <p className={isCalm ? 'tj-trouble tj-trouble-calm' : 'tj-trouble'}>
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
