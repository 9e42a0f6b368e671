/** The Running panel plugin: lists unfinished jobs beside kernels, where they can be stopped. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { showErrorMessage } from '@jupyterlab/apputils';
import { IRunningSessionManagers } from '@jupyterlab/running';
import { Signal } from '@lumino/signaling';

import { isLive, stateText } from '../../core/jobs/jobText';
import type { JobRow } from '../../core/jobTypes';
import { trans } from '../../core/i18n';
import { confirmAction } from './confirmDialog';
import { icon } from '../views/icon';
import { ITrainJobs, type TrainJobs } from '../service/plugin';

export const running = {
  id: 'jupyter-trainjob:running',
  description: 'Lists training jobs in the Running panel, where they can be stopped.',
  autoStart: true,
  requires: [ITrainJobs],
  optional: [IRunningSessionManagers],
  activate(_app: JupyterFrontEnd, jobs: TrainJobs, panel: IRunningSessionManagers | null): void {
    if (panel === null) {
      return;
    }
    const { jobList } = jobs;
    const source = {};
    const runningChanged = new Signal<object, void>(source);
    jobList.subscribe(() => runningChanged.emit());
    jobList.start();
    const live = (): ReturnType<typeof jobList.view>['rows'] =>
      jobList.view().rows.filter(({ state }) => isLive(state));
    const showErrors = (action: Promise<unknown>): void =>
      void action.catch((error: Error) => showErrorMessage(trans.__('Training Jobs'), error.message));
    const stop = async (row: JobRow, isConfirmed: boolean): Promise<void> => {
      const channel = jobList.start();
      const where = { ...channel.view(), namespace: row.namespace };
      if (isConfirmed || (await confirmAction(jobs.stream, 'stop', row, where))) {
        await channel.jobs.ask(row.uid, 'stop', {});
      }
    };
    panel.add({
      name: trans.__('Training Jobs'),
      running: () =>
        live().map(row => ({
          open: () =>
            jobs.open(row.uid, { name: row.name, namespace: row.namespace, context: jobList.view().context }),
          shutdown: () => showErrors(stop(row, false)),
          icon: () => icon,
          label: () => row.name,
          labelTitle: () => `${row.name}: ${stateText(row.state)}`,
          detail: () => stateText(row.state)
        })),
      shutdownAll: () => live().forEach(row => showErrors(stop(row, true))),
      refreshRunning: () => undefined,
      runningChanged,
      shutdownLabel: trans.__('Stop'),
      shutdownAllLabel: trans.__('Stop All'),
      shutdownAllConfirmationText: trans.__(
        'Stop all training jobs? Those that have saved no checkpoint start over when they are resumed.'
      )
    });
  }
};
