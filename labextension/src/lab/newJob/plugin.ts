/** The plugin of the form: a command that opens it, for the palette, the launcher, the sidebar and other extensions. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { ICommandPalette } from '@jupyterlab/apputils';
import { ILauncher } from '@jupyterlab/launcher';
import { INotebookTracker } from '@jupyterlab/notebook';
import { ISettingRegistry } from '@jupyterlab/settingregistry';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';

import { nodesText } from '../../core/format';
import { trans } from '../../core/i18n';
import type { NodeCapacity } from '../server/api';
import { textField } from '../../core/textField';
import { icon } from '../views/icon';
import { Preferences } from '../server/preferences';
import { GIB, oneDecimal, sumOf, noRequestText } from '../server/capacityText';
import { ITrainJobs, type TrainJobs } from '../service/plugin';
import { areaOf } from '../views/mainAreaTab';
import type { FieldValues } from '../server/jobForm';
import { FormState } from './formState';
import { ID, NewJobTab } from './NewJobTab';

/**
 * Opens the form. `context` and `namespace` are its destination; `follow`: use the sidebar's, even if another one was
 * chosen in the form.
 */
export const NEW_JOB = 'jupyter-trainjob:new-job';

export const newJob = {
  id: 'jupyter-trainjob:new-job',
  description: 'A form for new training jobs, which writes the line of %%trainjob into a notebook.',
  autoStart: true,
  requires: [ITrainJobs, INotebookTracker],
  optional: [ICommandPalette, ISettingRegistry, ILauncher, ITranslator],
  activate(
    app: JupyterFrontEnd,
    jobs: TrainJobs,
    notebooks: INotebookTracker,
    palette: ICommandPalette | null,
    registry: ISettingRegistry | null,
    launcher: ILauncher | null,
    translator: ITranslator | null
  ): void {
    const freeOf = async (context: string): Promise<string> =>
      freeText((await jobs.api.capacity(context)).nodes);
    const preferences = new Preferences<FieldValues>(registry, newJob.id, {});
    app.commands.addCommand(NEW_JOB, {
      label: ({ isTile }) => (isTile === true ? trans.__('Training job') : trans.__('New Training Job…')),
      caption: trans.__('Train the current cell, or a function of the notebook, on many nodes'),
      icon,
      execute: args => {
        const area = areaOf(app);
        const isNewJob = (widget: unknown): widget is NewJobTab => widget instanceof NewJobTab;
        const open = [...app.shell.widgets(area)].find(isNewJob);
        const tab = open ?? new NewJobTab(new FormState(app, jobs, notebooks, preferences.view(), freeOf));
        const { destination } = tab.form;
        const ref = {
          context: textField(args, 'context') || null,
          namespace: textField(args, 'namespace') || null
        };
        if (ref.context !== null || ref.namespace !== null) {
          destination.choose(ref);
        } else if (open === undefined || args.follow === true) {
          destination.follow();
        } else {
          destination.reload();
        }
        tab.form.chooseCode();
        if (open === undefined) {
          app.shell.add(tab, area);
        }
        app.shell.activateById(ID);
      }
    });
    // Translated with JupyterLab's catalogue: another name would make a category of its own.
    const category = (translator ?? nullTranslator).load('jupyterlab').__('Other');
    launcher?.add({ command: NEW_JOB, args: { isTile: true, follow: true }, category, rank: 90 });
    palette?.addItem({ command: NEW_JOB, category: trans.__('Training Jobs') });
  }
};

/** Describes the free capacity of all ready nodes together. */
export function freeText(nodes: readonly NodeCapacity[]): string {
  const ready = nodes.filter(node => node.ready);
  if (ready.length === 0) {
    return nodes.length === 0 ? '' : trans.__('No node is ready.');
  }
  const [cpu, memory, gpus] = [
    sumOf(ready, node => node.cpu),
    sumOf(ready, node => node.memory),
    sumOf(ready, node => node.gpus)
  ];
  const parts = [
    trans.__('%1 of %2 CPUs', oneDecimal(cpu[0]), oneDecimal(cpu[1])),
    trans.__('%1 of %2 GiB', oneDecimal(memory[0] / GIB), oneDecimal(memory[1] / GIB)),
    ...(gpus[1] > 0 ? [trans.__('%1 of %2 GPUs', oneDecimal(gpus[0]), oneDecimal(gpus[1]))] : [])
  ];
  const podsWithoutRequest = ready.reduce((sum, node) => sum + node.unasked, 0);
  const free = trans.__('Free now on %1: %2.', nodesText(ready.length), parts.join(', '));
  return podsWithoutRequest === 0 ? free : `${free} ${noRequestText(podsWithoutRequest)}`;
}
