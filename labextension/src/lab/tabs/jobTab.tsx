/** One job as a tab of the main area: the widget's card, fed by the Jupyter server. */
import type { ReactElement } from 'react';

import { stateText } from '../../core/jobs/jobText';
import type { OpenChannel } from '../../core/jobs/jobStream';
import type { Job } from '../../core/jobTypes';
import { trans } from '../../core/i18n';
import { LiveWidget } from '../views/LiveView';
import type { JobRef } from './jobRef';
import { MainAreaTab } from '../views/mainAreaTab';

export const tabId = (uid: string): string => `jupyter-trainjob:job-${uid}`;

export class JobTab extends MainAreaTab {
  private readonly unsubscribes: (() => void)[];

  constructor(
    private readonly opened: OpenChannel,
    readonly job: JobRef
  ) {
    super(tabId(job.uid), job.name || trans.__('Training job'));
    this.addClass('tj-job-tab');
    const { jobs } = opened.channel;
    jobs.open(job.uid);
    this.unsubscribes = jobs.view().open.map(job => job.subscribe(() => this.setTitle(job.view().job)));
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this.unsubscribes.forEach(unsubscribe => unsubscribe());
      this.opened.close();
    }
    super.dispose();
  }

  render(): ReactElement {
    return <LiveWidget channel={this.opened.channel} />;
  }

  private setTitle(job: Job | null): void {
    if (job !== null) {
      this.title.label = job.name;
      this.title.caption = trans.__('%1: %2', job.name, stateText(job.state));
    }
  }
}
