/** Jobs as tabs of the main area: each is there once, and comes back with the page's layout. */
import type { ILayoutRestorer, JupyterFrontEnd } from '@jupyterlab/application';
import { WidgetTracker } from '@jupyterlab/apputils';

import type { Stream, Where } from '../core/stream';
import { trans } from '../core/words';
import { word } from './bundle';
import { icon } from './icon';
import { idOf, JobTab } from './jobTab';
import { areaOf } from './tab';

/** A job, and where it is. */
export interface Named extends Where {
  uid: string;
  /** For the tab, until the job has said its own. */
  name: string;
}

export const OPEN_JOB = 'jupyter-trainjob:open-job';

export class Tabs {
  private readonly tracker = new WidgetTracker<JobTab>({ namespace: 'jupyter-trainjob' });

  constructor(
    private readonly app: JupyterFrontEnd,
    private readonly stream: Stream,
    restorer: ILayoutRestorer | null
  ) {
    app.commands.addCommand(OPEN_JOB, {
      label: trans.__('Open Training Job'),
      caption: trans.__('Show a job with its curves and logs in a tab'),
      icon,
      execute: args => {
        if (word(args, 'uid') === '') {
          throw new Error(trans.__('%1 needs the `uid` of a job.', OPEN_JOB));
        }
        this.open({
          uid: word(args, 'uid'),
          name: word(args, 'name'),
          context: word(args, 'context') || null,
          namespace: word(args, 'namespace') || null
        });
      }
    });
    void restorer?.restore(this.tracker, {
      command: OPEN_JOB,
      args: ({ named }) => ({ ...named }),
      name: ({ named }) => named.uid
    });
  }

  open(named: Named): void {
    const { shell } = this.app;
    const id = idOf(named.uid);
    if (this.tracker.find(tab => tab.id === id) === undefined) {
      const { context, namespace } = named;
      const tab = new JobTab(this.stream.open({ context, namespace, list: false }), named);
      shell.add(tab, areaOf(this.app));
      void this.tracker.add(tab);
    }
    shell.activateById(id);
  }
}
