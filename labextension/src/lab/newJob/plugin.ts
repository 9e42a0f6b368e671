/** The plugin of the form: a command that opens it, for the palette, the sidebar and whoever else wants a new job. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { INotebookTracker, type NotebookTracker } from '@jupyterlab/notebook';
import { ISettingRegistry, type SettingRegistry } from '@jupyterlab/settingregistry';

import { nodesText } from '../../core/format';
import { trans } from '../../core/words';
import type { Api, NodeRoom } from '../api';
import { word } from '../bundle';
import { meant } from '../clusters';
import { icon } from '../icon';
import { Preferences } from '../preferences';
import { GIB, tidy, together } from '../rooms';
import { ITrainJobs, type TrainJobs } from '../service';
import { areaOf } from '../tab';
import type { Choice } from './choice';
import { ID, NewJobTab } from './NewJobTab';

export const NEW_JOB = 'jupyter-trainjob:new-job';

export const newJob = {
  id: 'jupyter-trainjob:new-job',
  description: 'A form for new training jobs, which writes the line of %%trainjob into a notebook.',
  autoStart: true,
  requires: [ITrainJobs, INotebookTracker],
  optional: [ICommandPalette, ISettingRegistry],
  activate(
    app: JupyterFrontEnd,
    { api }: TrainJobs,
    notebooks: NotebookTracker,
    palette: ICommandPalette | null,
    registry: SettingRegistry | null
  ): void {
    const preferences = new Preferences<Partial<Choice>>(registry, newJob.id, {});
    app.commands.addCommand(NEW_JOB, {
      label: trans.__('New Training Job…'),
      caption: trans.__('Train the current cell, or a function of the notebook, on many nodes'),
      icon,
      execute: args => {
        const area = areaOf(app);
        if (![...app.shell.widgets(area)].some(widget => widget.id === ID)) {
          const where = [word(args, 'context') || null, word(args, 'namespace') || null] as const;
          const tab = new NewJobTab(notebooks, preferences.view(), {
            begin: () => begin(api, where[0]),
            runtimes: () => api.runtimes(...where),
            free: async () => free((await api.capacity(where[0])).nodes),
            draft: options => api.form(options, ...where)
          });
          app.shell.add(tab, area);
        }
        app.shell.activateById(ID);
      }
    });
    palette?.addItem({ command: NEW_JOB, category: trans.__('Training Jobs') });
  }
};

/** Starts the embedded cluster, where that is meant: who wants a job there is about to use it. */
async function begin(api: Api, context: string | null): Promise<void> {
  const { clusters } = await api.clusters();
  if (meant(clusters, context)?.running === false) {
    await api.embedded('start');
  }
}

/** What is free on all nodes together. */
export function free(nodes: readonly NodeRoom[]): string {
  const ready = nodes.filter(node => node.ready);
  if (ready.length === 0) {
    return nodes.length === 0 ? '' : trans.__('No node is ready.');
  }
  const [cpu, memory, gpus] = [
    together(ready, node => node.cpu),
    together(ready, node => node.memory),
    together(ready, node => node.gpus)
  ];
  const words = [
    trans.__('%1 of %2 CPUs', tidy(cpu[0]), tidy(cpu[1])),
    trans.__('%1 of %2 GiB', tidy(memory[0] / GIB), tidy(memory[1] / GIB)),
    ...(gpus[1] > 0 ? [trans.__('%1 of %2 GPUs', tidy(gpus[0]), tidy(gpus[1]))] : [])
  ];
  return trans.__('Free now on %1: %2.', nodesText(ready.length), words.join(', '));
}
