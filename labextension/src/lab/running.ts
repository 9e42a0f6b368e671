/** The plugin of the Running panel: jobs that are not over yet stand there beside kernels, and can be stopped. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { showErrorMessage } from '@jupyterlab/apputils';
import { IRunningSessionManagers, type RunningSessions } from '@jupyterlab/running';
import { Signal } from '@lumino/signaling';

import { isLive, stateText } from '../core/describe';
import { trans } from '../core/words';
import { icon } from './icon';
import { ITrainJobs, type TrainJobs } from './service';

export const running = {
  id: 'jupyter-trainjob:running',
  description: 'Lists training jobs in the panel of what is running, where they can be stopped.',
  autoStart: true,
  requires: [ITrainJobs],
  optional: [IRunningSessionManagers],
  activate(_app: JupyterFrontEnd, jobs: TrainJobs, panel: RunningSessions | null): void {
    if (panel === null) {
      return;
    }
    const { known } = jobs;
    const source = {};
    const runningChanged = new Signal<object, void>(source);
    known.subscribe(() => runningChanged.emit());
    known.start();
    const live = (): ReturnType<typeof known.view>['rows'] =>
      known.view().rows.filter(({ state }) => isLive(state));
    const stop = (uid: string): void =>
      void known
        .act(uid, 'stop')
        .catch((error: Error) => showErrorMessage(trans.__('Training Jobs'), error.message));
    panel.add({
      name: trans.__('Training Jobs'),
      running: () =>
        live().map(row => ({
          open: () =>
            jobs.open(row.uid, { name: row.name, namespace: row.namespace, context: known.view().context }),
          shutdown: () => stop(row.uid),
          icon: () => icon,
          label: () => row.name,
          labelTitle: () => `${row.name}: ${stateText(row.state)}`,
          detail: () => stateText(row.state)
        })),
      shutdownAll: () => live().forEach(({ uid }) => stop(uid)),
      refreshRunning: () => undefined,
      runningChanged,
      shutdownLabel: trans.__('Stop'),
      shutdownAllLabel: trans.__('Stop All'),
      shutdownAllConfirmationText: trans.__('Stop all training jobs? Each can be resumed.')
    });
  }
};
