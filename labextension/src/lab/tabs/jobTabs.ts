/** Jobs as tabs of the main area: one tab per job, restored with the layout. */
import type { ILayoutRestorer, JupyterFrontEnd } from '@jupyterlab/application';
import { WidgetTracker } from '@jupyterlab/apputils';

import type { Stream } from '../../core/jobs/jobStream';
import { trans } from '../../core/i18n';
import { textField } from '../../core/textField';
import { icon } from '../views/icon';
import type { JobRef } from './jobRef';
import { tabId, JobTab } from './jobTab';
import { areaOf } from '../views/mainAreaTab';

export const OPEN_JOB = 'jupyter-trainjob:open-job';

export class JobTabs {
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
        if (textField(args, 'uid') === '') {
          throw new Error(trans.__('%1 needs the `uid` of a job.', OPEN_JOB));
        }
        this.open({
          uid: textField(args, 'uid'),
          name: textField(args, 'name'),
          context: textField(args, 'context') || null,
          namespace: textField(args, 'namespace') || null
        });
      }
    });
    void restorer?.restore(this.tracker, {
      command: OPEN_JOB,
      args: ({ job }) => ({ ...job }),
      name: ({ job }) => job.uid
    });
  }

  open(job: JobRef): void {
    const { shell } = this.app;
    const id = tabId(job.uid);
    if (this.tracker.find(tab => tab.id === id) === undefined) {
      const { context, namespace } = job;
      const tab = new JobTab(this.stream.open({ context, namespace, list: false }), job);
      shell.add(tab, areaOf(this.app));
      void this.tracker.add(tab);
    }
    shell.activateById(id);
  }
}
