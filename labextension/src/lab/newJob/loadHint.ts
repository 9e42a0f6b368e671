/** The plugin that offers to load the extension, and to run the cell again, if `%%trainjob` was not found. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { Cell } from '@jupyterlab/cells';
import { INotebookTracker, NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';

import { trans } from '../../core/i18n';
import { activateCell, loadInNotebook, runCell } from './notebook';

/** IPython's error for a magic that is not loaded. */
const MAGIC_NOT_FOUND = /^(?:Cell magic `%%trainjob`|Line magic function `%trainjob`) not found/;
const HINT = 'tj-load-hint';

export const loadHint = {
  id: 'jupyter-trainjob:load-hint',
  description: 'Offers to load the extension below a cell whose %%trainjob its kernel does not know.',
  autoStart: true,
  requires: [INotebookTracker],
  activate(_app: JupyterFrontEnd, notebooks: INotebookTracker): void {
    NotebookActions.executionScheduled.connect((_, { cell }) => removeHint(cell));
    NotebookActions.executed.connect((_, { notebook, cell, error }) => {
      const panel = notebooks.find(item => item.content === notebook);
      if (panel !== undefined && MAGIC_NOT_FOUND.test(error?.errorValue ?? '')) {
        addHint(panel, cell);
      }
    });
  }
};

const removeHint = ({ node }: Cell): void =>
  node.querySelectorAll(`.${HINT}`).forEach(element => element.remove());

function addHint(panel: NotebookPanel, cell: Cell): void {
  removeHint(cell);
  const hint = document.createElement('p');
  hint.className = HINT;
  hint.setAttribute('role', 'status');
  const text = document.createElement('span');
  text.textContent = trans.__('This kernel has not loaded jupyter_trainjob.');
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = trans.__('Load it and run again');
  button.addEventListener('click', () => {
    button.disabled = true;
    if (activateCell(panel, cell.model)) {
      loadInNotebook(panel);
    }
    runCell(panel, cell.model).catch((error: Error) => {
      text.textContent = error.message;
      button.disabled = false;
    });
  });
  hint.append(text, ' ', button);
  cell.node.append(hint);
}
