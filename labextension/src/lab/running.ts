/** The plugin of the Running panel: jobs that are not over yet stand there beside kernels, and can be stopped. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { showErrorMessage } from '@jupyterlab/apputils';
import { IRunningSessionManagers, type RunningSessions } from '@jupyterlab/running';
import { ITranslator, type Translator } from '@jupyterlab/translation';
import { Signal } from '@lumino/signaling';

import { isLive } from '../core/describe';
import { icon } from './icon';
import { ITrainJobs, type TrainJobs } from './service';
import { load } from './words';

export const running = {
  id: 'jupyter-trainjob:running',
  description: 'Lists training jobs in the panel of what is running, where they can be stopped.',
  autoStart: true,
  requires: [ITrainJobs],
  optional: [IRunningSessionManagers, ITranslator],
  activate(
    _app: JupyterFrontEnd,
    jobs: TrainJobs,
    panel: RunningSessions | null,
    translator: Translator | null
  ): void {
    if (panel === null) {
      return;
    }
    const words = load(translator);
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
        .catch((error: Error) => showErrorMessage(words.__('Training Jobs'), error.message));
    panel.add({
      name: words.__('Training Jobs'),
      running: () =>
        live().map(row => ({
          open: () =>
            jobs.open(row.uid, { name: row.name, namespace: row.namespace, context: known.view().context }),
          shutdown: () => stop(row.uid),
          icon: () => icon,
          label: () => row.name,
          labelTitle: () => `${row.name}: ${row.state}`,
          detail: () => row.state
        })),
      shutdownAll: () => live().forEach(({ uid }) => stop(uid)),
      refreshRunning: () => undefined,
      runningChanged,
      shutdownLabel: words.__('Stop'),
      shutdownAllLabel: words.__('Stop All'),
      shutdownAllConfirmationText: words.__('Stop all training jobs? Each can be resumed.')
    });
  }
};
