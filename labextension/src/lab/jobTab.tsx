/** One job as a tab of the main area: the widget's card, fed by the Jupyter server. */
import type { ReactElement } from 'react';

import { stateText } from '../core/describe';
import type { Opened } from '../core/stream';
import type { Job } from '../core/types';
import { trans } from '../core/words';
import { Fed } from './LiveView';
import { Tab } from './tab';
import type { Named } from './tabs';

export const idOf = (uid: string): string => `jupyter-trainjob:job-${uid}`;

export class JobTab extends Tab {
  private readonly ends: (() => void)[];

  constructor(
    private readonly opened: Opened,
    readonly named: Named
  ) {
    super(idOf(named.uid), named.name || trans.__('Training job'));
    const { jobs } = opened.place;
    jobs.open(named.uid);
    this.ends = jobs.view().open.map(job => job.subscribe(() => this.say(job.view().job)));
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this.ends.forEach(end => end());
      this.opened.close();
    }
    super.dispose();
  }

  render(): ReactElement {
    return <Fed place={this.opened.place} />;
  }

  private say(job: Job | null): void {
    if (job !== null) {
      this.title.label = job.name;
      this.title.caption = trans.__('%1: %2', job.name, stateText(job.state));
    }
  }
}
