/** The connection to the page's Jupyter server. */
import { ServerConnection } from '@jupyterlab/services';

import { type ConnectionProblem, Stream } from '../../core/jobs/jobStream';
import { trans } from '../../core/i18n';

const loggedOut = (): string =>
  trans.__('You are no longer logged in to the Jupyter server. What you see may be out of date.');

export function createStream(settings: ServerConnection.ISettings): Stream {
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

/** Checks the login, since a refused websocket gives no reason. The server's base URL leads to the login page, with JupyterHub too. */
async function explain(settings: ServerConnection.ISettings): Promise<ConnectionProblem | null> {
  try {
    const { status } = await ServerConnection.makeRequest(`${settings.baseUrl}api/me`, {}, settings);
    return [401, 403].includes(status) ? { trouble: loggedOut(), login: settings.baseUrl } : null;
  } catch {
    return null; // It does not answer at all.
  }
}
