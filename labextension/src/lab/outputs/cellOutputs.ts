/**
 * The plugins for outputs of jobs: draw them live while their kernel or the server has them, else as a picture, and keep
 * the saved output up to date. The rest of the view is the widget, the same in every host.
 */
import { IConsoleTracker } from '@jupyterlab/console';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';

import { JOB_MIME } from './outputMime';
import { JobOutput } from './JobOutput';
import { keepOutputs } from './outputKeeper';
import { ILiveOutputs, type LiveOutputs } from './liveOutputs';
import { pagesOf } from './openPages';

/** Before the widget manager, whose rank is -10. */
const RANK = -20;

export const output = {
  id: 'jupyter-trainjob:output',
  description: "Shows a job's output live, or as the saved picture if neither kernel nor server has the job.",
  autoStart: true,
  requires: [IRenderMimeRegistry],
  optional: [INotebookTracker, IConsoleTracker, ILiveOutputs],
  activate(
    _app: unknown,
    rendermime: IRenderMimeRegistry,
    notebooks: INotebookTracker | null,
    consoles: IConsoleTracker | null,
    live: LiveOutputs | null
  ): void {
    const pages = pagesOf(rendermime, notebooks, consoles);
    // Not safe: in a notebook that is not trusted, the host shows the sanitised picture instead.
    rendermime.addFactory(
      {
        safe: false,
        mimeTypes: [JOB_MIME],
        createRenderer: ({ resolver }) => new JobOutput(pages, resolver, live)
      },
      RANK
    );
  }
};

export const keeper = {
  id: 'jupyter-trainjob:keeper',
  description: "Keeps a job's saved output up to date after the page was reloaded.",
  autoStart: true,
  requires: [INotebookTracker],
  activate(_app: unknown, notebooks: INotebookTracker): void {
    notebooks.forEach(keepOutputs);
    notebooks.widgetAdded.connect((_, panel) => keepOutputs(panel));
  }
};
