/** The command plugin: actions on jobs, for the palette, keyboard shortcuts and context menus. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { ICommandPalette, InputDialog, showErrorMessage } from '@jupyterlab/apputils';
import { INotebookTracker } from '@jupyterlab/notebook';
import type { CommandRegistry } from '@lumino/commands';

import { otherActions, primaryAction } from '../../core/jobs/jobActions';
import { stateText } from '../../core/jobs/jobText';
import type { Channel } from '../../core/jobs/jobStream';
import type { JobRow } from '../../core/jobTypes';
import type { Action } from '../../core/jobs/views';
import { trans } from '../../core/i18n';
import { confirmAction } from './confirmDialog';
import { jobsOf, showCellOf } from './cellOfJob';
import { ITrainJobs, type TrainJobs } from '../service/plugin';

const ROW = '[data-uid]';

/** A job, and the channel of its list at that time: the list may show another channel before a confirmation is answered. */
interface ChosenJob {
  row: JobRow;
  channel: Channel;
}

export const commands = {
  id: 'jupyter-trainjob:commands',
  description:
    'Commands for training jobs: choose, stop, resume, rerun, delete one, go to its cell and back.',
  autoStart: true,
  requires: [ITrainJobs],
  optional: [ICommandPalette, INotebookTracker],
  activate(
    app: JupyterFrontEnd,
    jobs: TrainJobs,
    palette: ICommandPalette | null,
    notebooks: INotebookTracker | null
  ): void {
    const { jobList } = jobs;
    const add = (name: string, options: CommandRegistry.ICommandOptions): void => {
      const command = `jupyter-trainjob:${name}`;
      app.commands.addCommand(command, options);
      palette?.addItem({ command, category: trans.__('Training Jobs') });
    };
    /** The uid of the job in the arguments, at the context menu, or of the current tab. */
    const uidOf = (args: Record<string, unknown>): string => {
      const hit = app.contextMenuHitTest(node => node.matches(ROW) && node.closest('.tj-sidebar') !== null);
      const tab = app.shell.currentWidget?.id.match(/^jupyter-trainjob:job-(.*)$/)?.[1];
      return (typeof args.uid === 'string' && args.uid) || hit?.dataset.uid || tab || '';
    };
    /** The job of `uidOf`, else one that the user chooses among those that `fit`; null if the user cancels. */
    const chooseJob = async (
      args: Record<string, unknown>,
      title: string,
      fit: (row: JobRow) => boolean
    ): Promise<ChosenJob | null> => {
      const uid = uidOf(args);
      await jobList.ready();
      const channel = jobList.start();
      const row = jobList.find(uid);
      if (row !== undefined) {
        return { row, channel };
      }
      const items = jobList.view().rows.filter(fit);
      if (items.length === 0) {
        throw new Error(trans.__('There is no such job in the cluster and namespace that the list shows.'));
      }
      const names = items.map(row => `${row.name} (${stateText(row.state)})`);
      const { value } = await InputDialog.getItem({ title, items: names, label: trans.__('Job') });
      const chosen = items[names.indexOf(value ?? '')];
      return chosen === undefined ? null : { row: chosen, channel };
    };
    const showErrors =
      (work: (args: Record<string, unknown>) => Promise<void>) =>
      (args: Record<string, unknown>): Promise<void> =>
        work(args).catch((error: Error) => showErrorMessage(trans.__('Training Jobs'), error.message));

    add('choose-job', {
      label: trans.__('Open Training Job…'),
      caption: trans.__('Show a job with its curves and logs in a tab'),
      execute: showErrors(async args => {
        const chosen = await chooseJob(args, trans.__('Open which job?'), () => true);
        if (chosen !== null) {
          const { uid, name, namespace } = chosen.row;
          jobs.open(uid, { name, namespace, context: chosen.channel.view().context });
        }
      })
    });

    const addAction = (action: Action, label: string, title: string): void => {
      const fits = (row: JobRow): boolean =>
        primaryAction(row.state) === action || otherActions(row.state).includes(action);
      add(`${action}-job`, {
        label,
        isVisible: args => {
          const row = jobList.find(uidOf(args));
          return row === undefined || fits(row);
        },
        execute: showErrors(async args => {
          const chosen = await chooseJob(args, title, fits);
          if (chosen === null) {
            return;
          }
          const { row, channel } = chosen;
          if (
            await confirmAction(jobs.stream, action, row, { ...channel.view(), namespace: row.namespace })
          ) {
            await channel.jobs.ask(row.uid, action, {});
          }
        })
      });
    };
    addAction('stop', trans.__('Stop Training Job'), trans.__('Stop which job?'));
    addAction('resume', trans.__('Resume Training Job'), trans.__('Resume which job?'));
    addAction('rerun', trans.__('Rerun Training Job'), trans.__('Rerun which job?'));
    addAction('delete', trans.__('Delete Training Job'), trans.__('Delete which job?'));

    if (notebooks !== null) {
      add('show-cell', {
        label: trans.__('Go to the Cell of a Training Job'),
        caption: trans.__('Open the notebook that sent the job, at its cell'),
        execute: showErrors(async args => {
          const chosen = await chooseJob(args, trans.__('Go to the cell of which job?'), () => true);
          if (chosen !== null) {
            await showCellOf(app, notebooks, jobs.api, chosen.row, chosen.channel.view().context);
          }
        })
      });
      const ofCell = (): ReturnType<typeof jobsOf> => {
        const model = notebooks.currentWidget?.content.activeCell?.model;
        return model === undefined ? [] : jobsOf(model);
      };
      add('show-job-of-cell', {
        label: trans.__('Open the Training Job of This Cell'),
        isEnabled: () => ofCell().length > 0,
        execute: () => {
          const saved = ofCell().at(-1);
          if (saved !== undefined) {
            const { uid, context, namespace } = saved;
            jobs.open(uid, { context: context || null, namespace: namespace || null });
          }
        }
      });
      notebooks.activeCellChanged.connect(() =>
        app.commands.notifyCommandChanged('jupyter-trainjob:show-job-of-cell')
      );
    }
  }
};
