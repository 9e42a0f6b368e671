/** The connection to the Jupyter server that this page came from. */
import type { ServerSettings } from '@jupyterlab/application';

import { Stream } from '../core/stream';

export function streamOf({ wsUrl, token, appendToken, WebSocket }: ServerSettings): Stream {
  const query = appendToken && token !== '' ? `?token=${encodeURIComponent(token)}` : '';
  const stream = new Stream(() => new WebSocket(`${wsUrl}jupyter-trainjob/stream${query}`));
  const wake = (): void => stream.wake();
  window.addEventListener('online', wake);
  document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && wake());
  return stream;
}
