/** The plugin of commands: what can be done to jobs, for the palette, keyboard shortcuts and the menu of a row. */
import type { CommandOptions, JupyterFrontEnd } from '@jupyterlab/application';
import { Dialog, ICommandPalette, InputDialog, showDialog, showErrorMessage } from '@jupyterlab/apputils';
import { INotebookTracker, type NotebookTracker } from '@jupyterlab/notebook';

import { others, primary, wordsOf } from '../core/actions';
import { stateText } from '../core/describe';
import type { Action, JobRow } from '../core/types';
import { trans } from '../core/words';
import { jobsOf, toCell } from './jump';
import { ITrainJobs, type TrainJobs } from './service';

const ROW = '[data-uid]';

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
    notebooks: NotebookTracker | null
  ): void {
    const { known } = jobs;
    const add = (name: string, options: CommandOptions): void => {
      const command = `jupyter-trainjob:${name}`;
      app.commands.addCommand(command, options);
      palette?.addItem({ command, category: trans.__('Training Jobs') });
    };
    /** The job that is meant: named, below the menu, or of the current tab. */
    const uidOf = (given: Record<string, unknown>): string => {
      const hit = app.contextMenuHitTest(node => node.matches(ROW) && node.closest('.tj-sidebar') !== null);
      const tab = app.shell.currentWidget?.id.match(/^jupyter-trainjob:job-(.*)$/)?.[1];
      return (typeof given.uid === 'string' && given.uid) || hit?.dataset.uid || tab || '';
    };
    /** The job that is meant, else one that is chosen among those that `fit`; null: none was. */
    const chosen = async (
      given: Record<string, unknown>,
      title: string,
      fit: (row: JobRow) => boolean
    ): Promise<JobRow | null> => {
      await known.ready();
      const meant = known.find(uidOf(given));
      if (meant !== undefined) {
        return meant;
      }
      const items = known.view().rows.filter(fit);
      if (items.length === 0) {
        throw new Error(trans.__('There is no such job in the cluster and namespace that the list shows.'));
      }
      const names = items.map(row => `${row.name} (${stateText(row.state)})`);
      const { value } = await InputDialog.getItem({ title, items: names, label: trans.__('Job') });
      return items[names.indexOf(value ?? '')] ?? null;
    };
    const told =
      (work: (given: Record<string, unknown>) => Promise<void>) =>
      (given: Record<string, unknown>): Promise<void> =>
        work(given).catch((error: Error) => showErrorMessage(trans.__('Training Jobs'), error.message));

    add('choose-job', {
      label: trans.__('Open Training Job…'),
      caption: trans.__('Show a job with its curves and logs in a tab'),
      execute: told(async given => {
        const row = await chosen(given, trans.__('Open which job?'), () => true);
        if (row !== null) {
          jobs.open(row.uid, { name: row.name, namespace: row.namespace, context: known.view().context });
        }
      })
    });

    const offer = (what: Action, label: string, title: string): void => {
      const fits = (row: JobRow): boolean => primary(row.state) === what || others(row.state).includes(what);
      add(`${what}-job`, {
        label,
        isVisible: given => {
          const row = known.find(uidOf(given));
          return row === undefined || fits(row);
        },
        execute: told(async given => {
          const row = await chosen(given, title, fits);
          if (row !== null && (await agreed(what, row))) {
            await known.act(row.uid, what);
          }
        })
      });
    };
    const agreed = async (what: Action, row: JobRow): Promise<boolean> => {
      const { ask } = wordsOf(what);
      if (ask === undefined) {
        return true;
      }
      const [question, yes, no] = ask;
      const { button } = await showDialog({
        title: row.name,
        body: question,
        buttons: [Dialog.cancelButton({ label: no }), Dialog.warnButton({ label: yes })]
      });
      return button.accept;
    };
    offer('stop', trans.__('Stop Training Job'), trans.__('Stop which job?'));
    offer('resume', trans.__('Resume Training Job'), trans.__('Resume which job?'));
    offer('rerun', trans.__('Rerun Training Job'), trans.__('Rerun which job?'));
    offer('delete', trans.__('Delete Training Job'), trans.__('Delete which job?'));

    if (notebooks !== null) {
      add('show-cell', {
        label: trans.__('Go to the Cell of a Training Job'),
        caption: trans.__('Open the notebook that sent the job, at its cell'),
        execute: told(async given => {
          const row = await chosen(given, trans.__('Whose cell?'), () => true);
          if (row !== null) {
            await toCell(app, notebooks, jobs.api, row, known.view().context);
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
