/** The sidebar's plugin: puts the list into the left area. */
import { ILayoutRestorer, type JupyterFrontEnd } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ISettingRegistry, type SettingRegistry } from '@jupyterlab/settingregistry';

import { trans } from '../../core/words';
import { icon } from '../icon';
import { NEW_JOB } from '../newJob/plugin';
import { Preferences } from '../preferences';
import { ITrainJobs, type TrainJobs } from '../service';
import { Sidebar, type SidebarPreferences } from './Sidebar';

const RANK = 600;
const SHOW = 'jupyter-trainjob:show-jobs';

export const sidebar = {
  id: 'jupyter-trainjob:sidebar',
  description: 'Lists the training jobs of a cluster in the left area.',
  autoStart: true,
  requires: [ITrainJobs],
  optional: [ILayoutRestorer, ISettingRegistry, ICommandPalette],
  activate(
    app: JupyterFrontEnd,
    jobs: TrainJobs,
    restorer: ILayoutRestorer | null,
    registry: SettingRegistry | null,
    palette: ICommandPalette | null
  ): void {
    const preferences = new Preferences<SidebarPreferences>(registry, sidebar.id, {
      sort: 'newest',
      refresh: 15
    });
    const panel = new Sidebar(jobs, preferences, {
      onNew: where => void app.commands.execute(NEW_JOB, { ...where }),
      onDelete: uid => void app.commands.execute('jupyter-trainjob:delete-job', { uid })
    });
    panel.title.icon = icon;
    app.shell.add(panel, 'left', { rank: RANK });
    restorer?.add(panel, panel.id);
    app.commands.addCommand(SHOW, {
      label: trans.__('Training Jobs'),
      caption: trans.__('Show the list of training jobs'),
      execute: () => app.shell.activateById(panel.id)
    });
    palette?.addItem({ command: SHOW, category: trans.__('Training Jobs') });
  }
};
