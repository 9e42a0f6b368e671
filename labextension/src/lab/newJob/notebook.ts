/** The notebook that the form works on: the one that was looked at last. */
import { NotebookActions, type NotebookPanel, type NotebookTracker } from '@jupyterlab/notebook';

import { trans } from '../../core/words';
import { loads, targetsOf, withLine } from './cells';
import type { Target } from './NewJob';

const LOAD = '%load_ext jupyter_trainjob';
/** Loads the extension into a kernel that has not done so, and says nothing. */
const LOAD_QUIETLY = `get_ipython().extension_manager.load_extension('jupyter_trainjob')`;

/** What of a notebook can run. */
export const targets = (panel: NotebookPanel | null): Target[] =>
  targetsOf(sources(panel), panel && (panel.content.activeCell?.model.sharedModel.getSource() ?? ''));

/** Puts the line on top of the current cell, or with a call into a new one below, which is the current one then. */
export function write(panel: NotebookPanel, line: string, call: string | null): void {
  const { content } = panel;
  if (!loads(sources(panel))) {
    insert(panel, LOAD, { above: true });
  }
  if (call === null) {
    const shared = content.activeCell?.model.sharedModel;
    shared?.setSource(withLine(shared.getSource(), line));
  } else {
    insert(panel, `${line}\n${call}`, { above: false });
  }
}

/** Runs the current cell in the notebook's kernel, where what it uses is packed. */
export async function run(panel: NotebookPanel): Promise<void> {
  const { sessionContext, content } = panel;
  await sessionContext.ready;
  const kernel = sessionContext.session?.kernel;
  if (!kernel) {
    throw new Error(trans.__('The notebook has no kernel: choose one in its toolbar, and run the cell.'));
  }
  await kernel.requestExecute({ code: LOAD_QUIETLY, silent: true, store_history: false }).done;
  await NotebookActions.run(content, sessionContext);
}

function insert({ content }: NotebookPanel, text: string, { above }: { above: boolean }): void {
  const at = content.activeCellIndex;
  (above ? NotebookActions.insertAbove : NotebookActions.insertBelow)(content);
  content.activeCell?.model.sharedModel.setSource(text);
  if (above) {
    content.activeCellIndex = at + 1; // Back to what was the current one.
  }
}

function sources(panel: NotebookPanel | null): string[] {
  return [...(panel?.content.model?.cells ?? [])]
    .filter(cell => cell.type === 'code')
    .map(cell => cell.sharedModel.getSource());
}

/** Calls back when another notebook or cell is the current one; returns how to end that. */
export function follow(notebooks: NotebookTracker, changed: () => void): () => void {
  notebooks.currentChanged.connect(changed);
  notebooks.activeCellChanged.connect(changed);
  return () => {
    notebooks.currentChanged.disconnect(changed);
    notebooks.activeCellChanged.disconnect(changed);
  };
}
