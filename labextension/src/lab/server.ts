/** The connection to the Jupyter server that this page came from. */
import type { ServerSettings } from '@jupyterlab/application';
import { ServerConnection } from '@jupyterlab/services';

import { type Away, Stream } from '../core/stream';
import { trans } from '../core/words';

const loggedOut = (): string =>
  trans.__('You are not logged in to the Jupyter server any more. What you see is as it was.');

export function streamOf(settings: ServerSettings): Stream {
  const { wsUrl, token, appendToken, WebSocket } = settings;
  const query = appendToken && token !== '' ? `?token=${encodeURIComponent(token)}` : '';
  const stream = new Stream(
    () => new WebSocket(`${wsUrl}jupyter-trainjob/stream${query}`),
    () => explain(settings)
  );
  const wake = (): void => stream.wake();
  window.addEventListener('online', wake);
  window.addEventListener('focus', wake);
  document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && wake());
  return stream;
}

/** Asks who we are: a refused websocket says nothing. The server's front page asks to log in, behind a Hub too. */
async function explain(settings: ServerSettings): Promise<Away | null> {
  try {
    const { status } = await ServerConnection.makeRequest(`${settings.baseUrl}api/me`, {}, settings);
    return [401, 403].includes(status) ? { trouble: loggedOut(), login: settings.baseUrl } : null;
  } catch {
    return null; // It does not answer at all.
  }
}
