/** The notebook of the form: the one that was used last. */
import type { ISessionContext } from '@jupyterlab/apputils';
import type { ICellModel } from '@jupyterlab/cells';
import { type INotebookTracker, NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';
import type { Kernel } from '@jupyterlab/services';

import { trans } from '../../core/i18n';
import { cellToRun, type CurrentCell, loadsExtension, targetsOf, withLine } from './cells';
import type { Target } from './NewJob';

const LOAD = '%load_ext jupyter_trainjob';
/** Loads the extension into a kernel that has not loaded it, without output. */
const LOAD_QUIETLY = `get_ipython().extension_manager.load_extension('jupyter_trainjob')`;
const DESTINATION = `__import__('jupyter_trainjob.client.context', fromlist=['context']).destination()`;
const READ_PAUSE_MS = 200;

/** The code of a notebook that can run as a job. */
export const targetsIn = (panel: NotebookPanel | null): Target[] =>
  targetsOf(sources(panel), currentOf(panel));

function currentOf(panel: NotebookPanel | null): CurrentCell | null {
  const model = panel?.content.activeCell?.model;
  return panel === null || model === undefined
    ? null
    : {
        text: model.sharedModel.getSource(),
        isCode: model.type === 'code',
        number: panel.content.activeCellIndex + 1,
        count: cells(panel).length
      };
}

/** Makes a cell with code the current one if the current cell has none. */
export function activateCode(panel: NotebookPanel): void {
  const all = cells(panel);
  const texts = all.map(cell => (cell.type === 'code' ? cell.sharedModel.getSource() : ''));
  const cell = all[cellToRun(texts, panel.content.activeCellIndex)];
  if (cell !== undefined && cell !== panel.content.activeCell?.model) {
    activateCell(panel, cell);
  }
}

/**
 * Puts the line on top of a cell, or, with a `call`, into a new cell below it. Returns the cell with the line, which
 * becomes the current one; null if the cell was removed.
 */
export function writeCell(
  panel: NotebookPanel,
  cell: ICellModel,
  line: string,
  call: string | null
): ICellModel | null {
  const { content } = panel;
  if (!activateCell(panel, cell)) {
    return null;
  }
  loadInNotebook(panel);
  if (call === null) {
    cell.sharedModel.setSource(withLine(cell.sharedModel.getSource(), line));
    return cell;
  }
  NotebookActions.insertBelow(content);
  const added = content.activeCell?.model ?? null;
  added?.sharedModel.setSource(`${line}\n${call}`);
  return added;
}

/** Inserts a cell that loads the extension above the current one, unless the notebook has one. */
export function loadInNotebook(panel: NotebookPanel): void {
  const { content } = panel;
  const cell = content.activeCell?.model;
  if (cell !== undefined && !loadsExtension(sources(panel))) {
    NotebookActions.insertAbove(content);
    content.activeCell?.model.sharedModel.setSource(LOAD);
    activateCell(panel, cell);
  }
}

/**
 * Runs a cell in the notebook's kernel, which captures the values that it uses. Returns whether it succeeded. Runs this
 * cell even if another one has become the current one.
 */
export async function runCell(panel: NotebookPanel, cell: ICellModel): Promise<boolean> {
  const { sessionContext, content } = panel;
  await sessionContext.ready;
  const kernel = kernelOf(sessionContext);
  if (kernel === null) {
    throw new Error(trans.__('The notebook has no kernel: choose one in its toolbar, and run the cell.'));
  }
  const { content: loaded } = await kernel.requestExecute({
    code: LOAD_QUIETLY,
    silent: true,
    store_history: false
  }).done;
  if (loaded.status !== 'ok') {
    throw new Error(
      trans.__(
        'Not sent: the notebook’s kernel cannot load jupyter_trainjob (%1). Install it there: %2',
        loaded.status === 'error' ? loaded.evalue : loaded.status,
        '%pip install jupyter_trainjob'
      )
    );
  }
  if (panel.isDisposed || !activateCell(panel, cell)) {
    throw new Error(trans.__('Not sent: the cell is not in the notebook any more.'));
  }
  return NotebookActions.run(content, sessionContext);
}

/** Whether the kernel sends jobs without a destination to this one; false if it is busy and cannot be asked. */
export async function sendsTo(
  { sessionContext }: NotebookPanel,
  context: string,
  namespace: string
): Promise<boolean> {
  const kernel = kernelOf(sessionContext);
  if (kernel?.status !== 'idle') {
    return false;
  }
  // A JSON string is also a Python string literal.
  const place = JSON.stringify(JSON.stringify([context, namespace]));
  const { content } = await kernel.requestExecute({
    code: '',
    silent: true,
    store_history: false,
    user_expressions: { is: `list(${DESTINATION}) == __import__('json').loads(${place})` }
  }).done;
  return content.status === 'ok' && isTrue(content.user_expressions.is);
}

/** The value of a user expression, as the kernel reports it. */
const isTrue = (value: unknown): boolean =>
  (value as { data?: Record<string, unknown> } | undefined)?.data?.['text/plain'] === 'True';

/** Makes a cell the current one and the only selected one; returns false if it was removed. */
export function activateCell(panel: NotebookPanel, cell: ICellModel): boolean {
  const at = cells(panel).indexOf(cell);
  if (at >= 0) {
    panel.content.deselectAll();
    panel.content.activeCellIndex = at;
  }
  return at >= 0;
}

const kernelOf = ({ session }: ISessionContext): Kernel.IKernelConnection | null => session?.kernel ?? null;

const cells = (panel: NotebookPanel | null): ICellModel[] => [...(panel?.content.model?.cells ?? [])];

const sources = (panel: NotebookPanel | null): string[] =>
  cells(panel)
    .filter(cell => cell.type === 'code')
    .map(cell => cell.sharedModel.getSource());

/** Calls `changed` when another notebook or cell becomes current or its text changes; returns a function that stops it. */
export function followNotebook(notebooks: INotebookTracker, changed: () => void): () => void {
  let pending: ReturnType<typeof setTimeout> | undefined;
  let model: NonNullable<NotebookPanel['content']['model']> | null = null;
  const onText = (): void => {
    pending ??= setTimeout(() => {
      pending = undefined;
      changed();
    }, READ_PAUSE_MS);
  };
  const onCurrent = (): void => {
    const next = notebooks.currentWidget?.content.model ?? null;
    if (next !== model) {
      model?.contentChanged.disconnect(onText);
      next?.contentChanged.connect(onText);
      model = next;
    }
    changed();
  };
  notebooks.currentChanged.connect(onCurrent);
  notebooks.activeCellChanged.connect(onCurrent);
  onCurrent();
  return () => {
    clearTimeout(pending);
    model?.contentChanged.disconnect(onText);
    notebooks.currentChanged.disconnect(onCurrent);
    notebooks.activeCellChanged.disconnect(onCurrent);
  };
}
