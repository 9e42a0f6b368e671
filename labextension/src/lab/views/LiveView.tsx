/** The widget, fed by the Jupyter server: in a saved output, and in the tab of a job. */
import { ReactWidget } from '@jupyterlab/ui-components';
import type { ReactElement } from 'react';

import type { Channel } from '../../core/jobs/jobStream';
import { Widget } from '../../ui/Widget';
import { ConnectionStatus } from './ConnectionStatus';

export class LiveView extends ReactWidget {
  constructor(private readonly channel: Channel) {
    super();
    this.addClass('tj-live');
  }

  render(): ReactElement {
    return <LiveWidget channel={this.channel} />;
  }
}

/** A job's cards, or the list of a panel. */
export function LiveWidget({ channel }: { channel: Channel }): ReactElement {
  return (
    <div className="tj-host">
      <ConnectionStatus channel={channel} />
      <Widget jobs={channel.jobs} />
    </div>
  );
}
