/** The sidebar's plugin: puts the list into the left area. */
import { ILayoutRestorer, type JupyterFrontEnd } from '@jupyterlab/application';

import { icon } from '../icon';
import { NEW_JOB } from '../newJob/plugin';
import { ITrainJobs, type TrainJobs } from '../service';
import { Sidebar } from './Sidebar';

const RANK = 600;

export const sidebar = {
  id: 'jupyter-trainjob:sidebar',
  description: 'Lists the training jobs of a cluster in the left area.',
  autoStart: true,
  requires: [ITrainJobs],
  optional: [ILayoutRestorer],
  activate(app: JupyterFrontEnd, jobs: TrainJobs, restorer: ILayoutRestorer | null): void {
    const panel = new Sidebar(jobs, {
      onNew: where => void app.commands.execute(NEW_JOB, { ...where }),
      onDelete: uid => void app.commands.execute('jupyter-trainjob:delete-job', { uid })
    });
    panel.title.icon = icon;
    app.shell.add(panel, 'left', { rank: RANK });
    restorer?.add(panel, panel.id);
  }
};
