/** The sidebar's plugin: puts the list into the left area, and opens jobs in the main one. */
import { ILayoutRestorer, type JupyterFrontEnd } from '@jupyterlab/application';

import { icon } from './icon';
import { JobTab } from './jobTab';
import { streamOf } from './server';
import { Sidebar } from './sidebar';

const RANK = 600;
export const sidebar = {
  id: 'jupyter-trainjob:sidebar',
  description: 'Lists the training jobs of a cluster in the left area and opens them in the main one.',
  autoStart: true,
  optional: [ILayoutRestorer],
  activate(app: JupyterFrontEnd, restorer: ILayoutRestorer | null): void {
    const stream = streamOf(app.serviceManager.serverSettings);
    const where = { context: null, namespace: null };
    const { place } = stream.open({ ...where, list: true });
    const open = (uid: string): void => {
      const id = `jupyter-trainjob:job-${uid}`;
      if (![...app.shell.widgets('main')].some(widget => widget.id === id)) {
        const row = place.jobs.view().rows?.find(each => each.uid === uid);
        const tab = new JobTab(stream.open({ ...where, list: false }), uid, row?.name ?? 'job');
        tab.id = id;
        tab.title.icon = icon;
        app.shell.add(tab, 'main');
      }
      app.shell.activateById(id);
    };
    const panel = new Sidebar(place, open);
    panel.title.icon = icon;
    app.shell.add(panel, 'left', { rank: RANK });
    restorer?.add(panel, panel.id);
  }
};
