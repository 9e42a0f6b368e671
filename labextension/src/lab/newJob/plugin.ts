/** The plugin of the form: a command that opens it, for the palette, the sidebar and whoever else wants a new job. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { INotebookTracker, type NotebookTracker } from '@jupyterlab/notebook';

import { count } from '../../core/format';
import { Api, type NodeRoom } from '../api';
import { icon } from '../icon';
import { NewJobTab } from './NewJobTab';

export const NEW_JOB = 'jupyter-trainjob:new-job';
const ID = 'jupyter-trainjob-new-job';

export const newJob = {
  id: 'jupyter-trainjob:new-job',
  description: 'A form for new training jobs, which writes the line of %%trainjob into a notebook.',
  autoStart: true,
  requires: [INotebookTracker],
  optional: [ICommandPalette],
  activate(app: JupyterFrontEnd, notebooks: NotebookTracker, palette: ICommandPalette | null): void {
    const api = new Api(app.serviceManager.serverSettings);
    app.commands.addCommand(NEW_JOB, {
      label: 'New Training Job…',
      caption: 'Train the current cell, or a function of the notebook, on many nodes',
      icon,
      execute: ({ context, namespace }) => {
        if (![...app.shell.widgets('main')].some(widget => widget.id === ID)) {
          const where = [text(context), text(namespace)] as const;
          const tab = new NewJobTab(notebooks, {
            begin: () => begin(api, where[0]),
            runtimes: () => api.runtimes(...where),
            free: async () => free((await api.capacity(where[0])).nodes),
            draft: options => api.form(options, ...where)
          });
          tab.id = ID;
          tab.title.icon = icon;
          app.shell.add(tab, 'main');
        }
        app.shell.activateById(ID);
      }
    });
    palette?.addItem({ command: NEW_JOB, category: 'Training Jobs' });
  }
};

/** Starts the embedded cluster, where that is meant: who wants a job there is about to use it. */
async function begin(api: Api, context: string | null): Promise<void> {
  const clusters = await api.clusters();
  const meant = clusters.find(each => (context === null ? each.chosen : each.name === context));
  if (meant?.running === false) {
    await api.embedded('start');
  }
}

/** What is free on all nodes together, and on the one that has most. */
export function free(nodes: readonly NodeRoom[]): string {
  const ready = nodes.filter(node => node.ready);
  if (ready.length === 0) {
    return nodes.length === 0 ? '' : 'No node is ready.';
  }
  const sum = (of: (node: NodeRoom) => number): number => ready.reduce((all, node) => all + of(node), 0);
  const gpus = sum(node => node.gpus[1]);
  const words = [
    `${tidy(sum(node => node.cpu[0]))} of ${tidy(sum(node => node.cpu[1]))} CPUs`,
    `${tidy(sum(node => node.memory[0]) / 2 ** 30)} of ${tidy(sum(node => node.memory[1]) / 2 ** 30)} GiB`,
    ...(gpus > 0 ? [`${tidy(sum(node => node.gpus[0]))} of ${tidy(gpus)} GPUs`] : [])
  ];
  return `Free now on ${count(ready.length)} ${ready.length === 1 ? 'node' : 'nodes'}: ${words.join(', ')}.`;
}

const tidy = (amount: number): string => String(Math.round(amount * 10) / 10);
const text = (given: unknown): string | null => (typeof given === 'string' && given !== '' ? given : null);
