/** One job as a tab of the main area: the widget's card, fed by the Jupyter server. */
import type { ReactElement } from 'react';

import { stateText } from '../core/describe';
import type { Opened } from '../core/stream';
import { trans } from '../core/words';
import { Fed } from './LiveView';
import { Tab } from './tab';
import type { Named } from './tabs';

export const idOf = (uid: string): string => `jupyter-trainjob:job-${uid}`;

export class JobTab extends Tab {
  private readonly forget: () => void;

  constructor(
    private readonly opened: Opened,
    readonly named: Named
  ) {
    super(idOf(named.uid), named.name || trans.__('Training job'));
    const { jobs } = opened.place;
    jobs.open(named.uid);
    const job = jobs.view().open.find(({ uid }) => uid === named.uid);
    const say = (): void => {
      const told = job?.view().job;
      if (told) {
        this.title.label = told.name;
        this.title.caption = trans.__('%1: %2', told.name, stateText(told.state));
      }
    };
    this.forget = job?.subscribe(say) ?? say;
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this.forget();
      this.opened.close();
    }
    super.dispose();
  }

  render(): ReactElement {
    return <Fed place={this.opened.place} />;
  }
}
