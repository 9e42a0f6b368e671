/** The widget, fed by the Jupyter server: in a saved output, and in the tab of a job. */
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
    return <Fed place={this.place} />;
  }
}

/** A job's cards, or the list of a panel. */
export function Fed({ place }: { place: Place }): ReactElement {
  return (
    <div className="tj-host">
      <Trouble place={place} />
      <Widget jobs={place.jobs} />
    </div>
  );
}
