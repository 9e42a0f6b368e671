/** One job as a tab of the main area: the widget's card, fed by the Jupyter server. */
import { ReactWidget } from '@jupyterlab/ui-components';
import type { ReactElement } from 'react';

import type { Opened } from '../core/stream';
import { trans } from '../core/words';
import { Fed } from './LiveView';
import type { Named } from './tabs';

export class JobTab extends ReactWidget {
  constructor(
    private readonly opened: Opened,
    readonly named: Named
  ) {
    super();
    this.addClass('tj-tab');
    this.title.label = named.name || trans.__('Training job');
    this.title.closable = true;
    opened.place.jobs.open(named.uid);
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this.opened.close();
    }
    super.dispose();
  }

  render(): ReactElement {
    return <Fed place={this.opened.place} />;
  }
}
