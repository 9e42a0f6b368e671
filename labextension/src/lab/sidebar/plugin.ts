/** The sidebar's plugin: puts the list into the left area. */
import { ILayoutRestorer, type JupyterFrontEnd } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ISettingRegistry } from '@jupyterlab/settingregistry';

import { trans } from '../../core/i18n';
import { icon } from '../views/icon';
import { NEW_JOB } from '../newJob/plugin';
import { Preferences } from '../server/preferences';
import { ITrainJobs, type TrainJobs } from '../service/plugin';
import { rowOf } from './JobRows';
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
    registry: ISettingRegistry | null,
    palette: ICommandPalette | null
  ): void {
    const preferences = new Preferences<SidebarPreferences>(registry, sidebar.id, {
      sort: 'newest',
      refresh: 15
    });
    const panel = new Sidebar(jobs, preferences, {
      onNew: () => void app.commands.execute(NEW_JOB, { follow: true }),
      onDelete: uid => void app.commands.execute('jupyter-trainjob:delete-job', { uid })
    });
    panel.title.icon = icon;
    keepFocus(app, panel);
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

/** Gives the focus back to the row whose context menu was closed, unless another element has it. */
function keepFocus({ contextMenu }: JupyterFrontEnd, { node }: Sidebar): void {
  let uid: string | undefined;
  node.addEventListener('contextmenu', ({ target }) => {
    uid = (target as Element).closest<HTMLElement>('[data-uid]')?.dataset.uid;
  });
  contextMenu.menu.aboutToClose.connect(() => {
    const menuUid = uid;
    uid = undefined;
    // The menu closes after this signal; a dialog opens later still, and restores the focus itself.
    queueMicrotask(() => {
      if (menuUid !== undefined && document.activeElement === document.body) {
        rowOf(node, menuUid)?.focus();
      }
    });
  });
}
