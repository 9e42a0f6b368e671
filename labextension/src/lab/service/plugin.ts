/**
 * The service that other plugins require: the connection to the server, its routes, the chosen namespace, and opening
 * jobs. It has no view of its own.
 */
import { ILayoutRestorer, type JupyterFrontEnd } from '@jupyterlab/application';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { Token } from '@lumino/coreutils';

import type { Stream } from '../../core/jobs/jobStream';
import { setTranslations } from '../../core/i18n';
import { Api } from '../server/api';
import { ChosenNamespace } from './chosenNamespace';
import { JobListStore } from './jobListStore';
import { createStream } from '../server/serverConnection';
import type { JobRef } from '../tabs/jobRef';
import { JobTabs } from '../tabs/jobTabs';

export interface TrainJobs {
  readonly stream: Stream;
  readonly api: Api;
  /** The namespace that the sidebar shows. */
  readonly chosen: ChosenNamespace;
  /** Its jobs, loaded on first use. */
  readonly jobList: JobListStore;
  /** Opens a job as a tab; without `ref`, a job of the namespace that the sidebar shows. */
  open(uid: string, ref?: Partial<JobRef>): void;
}

export const ITrainJobs = new Token<TrainJobs>('jupyter-trainjob:ITrainJobs');

export const service = {
  id: 'jupyter-trainjob:service',
  description: 'Connects to the Jupyter server, opens jobs in tabs, and restores these after a reload.',
  autoStart: true,
  provides: ITrainJobs,
  optional: [ILayoutRestorer, ITranslator],
  activate(
    app: JupyterFrontEnd,
    restorer: ILayoutRestorer | null,
    translator: ITranslator | null
  ): TrainJobs {
    setTranslations((translator ?? nullTranslator).load('jupyter_trainjob'));
    const { serverSettings } = app.serviceManager;
    const stream = createStream(serverSettings);
    const chosen = new ChosenNamespace();
    const tabs = new JobTabs(app, stream, restorer);
    return {
      stream,
      api: new Api(serverSettings),
      chosen,
      jobList: new JobListStore(stream, chosen),
      open: (uid, ref) => tabs.open({ ...chosen.view(), name: '', ...ref, uid })
    };
  }
};
