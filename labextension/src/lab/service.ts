/**
 * What other plugins build on: the one connection to the server, its routes, where one looks, and how a job is opened.
 * It has no view of its own.
 */
import { ILayoutRestorer, type JupyterFrontEnd } from '@jupyterlab/application';
import { ITranslator, nullTranslator, type Translator } from '@jupyterlab/translation';
import { Token } from '@lumino/coreutils';

import type { Stream } from '../core/stream';
import { speak } from '../core/words';
import { Api } from './api';
import { Chosen } from './chosen';
import { Known } from './known';
import { streamOf } from './server';
import { type Named, Tabs } from './tabs';

export interface TrainJobs {
  readonly stream: Stream;
  readonly api: Api;
  /** The place that is looked at. */
  readonly where: Chosen;
  /** Its jobs, once somebody wants to know them. */
  readonly known: Known;
  /** Opens a job as a tab; without `where`, one of the place that is looked at. */
  open(uid: string, where?: Partial<Named>): void;
}

export const ITrainJobs = new Token<TrainJobs>('jupyter-trainjob:ITrainJobs');

export const service = {
  id: 'jupyter-trainjob:service',
  description: 'Connects to the Jupyter server, opens jobs in tabs and brings these back after a reload.',
  autoStart: true,
  provides: ITrainJobs,
  optional: [ILayoutRestorer, ITranslator],
  activate(app: JupyterFrontEnd, restorer: ILayoutRestorer | null, translator: Translator | null): TrainJobs {
    speak((translator ?? nullTranslator).load('jupyter_trainjob'));
    const { serverSettings } = app.serviceManager;
    const stream = streamOf(serverSettings);
    const where = new Chosen();
    const tabs = new Tabs(app, stream, restorer);
    return {
      stream,
      api: new Api(serverSettings),
      where,
      known: new Known(stream, where),
      open: (uid, named) => tabs.open({ ...where.view(), name: '', ...named, uid })
    };
  }
};
