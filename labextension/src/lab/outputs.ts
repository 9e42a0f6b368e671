/**
 * The outputs of jobs: live while their kernel or the server knows them, a picture otherwise, and saved as they are in the end.
 * Everything else of the view is the widget, in every host alike.
 */
import { IConsoleTracker, type ConsolePanel } from '@jupyterlab/console';
import { INotebookTracker, type NotebookPanel, type Tracker } from '@jupyterlab/notebook';
import { IRenderMimeRegistry } from '@jupyterlab/rendermime';

import { JOB } from './bundle';
import { JobOutput } from './JobOutput';
import { keepOutputs } from './keeper';
import { ILiveOutputs, type LiveOutputs } from './live';
import { pagesOf } from './pages';

/** Before the widget manager's own rank, which is -10. */
const RANK = -20;

export const output = {
  id: 'jupyter-trainjob:output',
  description: "Shows a job's output live, or as the saved picture where nobody knows the job any more.",
  autoStart: true,
  requires: [IRenderMimeRegistry],
  optional: [INotebookTracker, IConsoleTracker, ILiveOutputs],
  activate(
    _app: unknown,
    rendermime: IRenderMimeRegistry,
    notebooks: Tracker<NotebookPanel> | null,
    consoles: Tracker<ConsolePanel> | null,
    live: LiveOutputs | null
  ): void {
    const pages = pagesOf(rendermime, notebooks, consoles);
    // Not safe: in a notebook that is not trusted, the host shows its own sanitised picture instead.
    rendermime.addFactory(
      {
        safe: false,
        mimeTypes: [JOB],
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
  activate(_app: unknown, notebooks: Tracker<NotebookPanel>): void {
    notebooks.forEach(keepOutputs);
    notebooks.widgetAdded.connect((_, panel) => keepOutputs(panel));
  }
};
