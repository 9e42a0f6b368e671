/** The widget in a saved output, fed by the Jupyter server: a job's card, or the list of a panel. */
import { ReactWidget } from '@jupyterlab/ui-components';
import type { ReactElement } from 'react';

import type { Place } from '../core/stream';
import { Widget } from '../ui/Widget';
import { Trouble } from './Trouble';

export class LiveView extends ReactWidget {
  constructor(private readonly place: Place) {
    super();
    this.addClass('tj-live');
  }

  render(): ReactElement {
    return (
      <div className="tj-host">
        <Trouble place={this.place} />
        <Widget jobs={this.place.jobs} />
      </div>
    );
  }
}
