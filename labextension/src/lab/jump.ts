/** From a job to the cell that sent it, and from a cell to its job. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { CellModel, NotebookPanel, NotebookTracker } from '@jupyterlab/notebook';

import type { JobRow } from '../core/types';
import { trans } from '../core/words';
import type { Api } from './api';
import { JOB, read, type Saved } from './bundle';

interface Origin {
  /** As the server's contents call it; empty where it is not known or not there. */
  notebook: string;
  source: string;
  why: string;
}

type Sent = Pick<JobRow, 'uid' | 'name' | 'namespace'>;

/** Shows the cell; what stands in the way is said by the error. */
export async function toCell(
  app: JupyterFrontEnd,
  notebooks: NotebookTracker,
  api: Api,
  job: Sent,
  context: string | null
): Promise<void> {
  const open = notebooks.find(panel => cellOf(cells(panel), job, '') >= 0);
  if (open !== undefined) {
    show(app, open, cellOf(cells(open), job, ''));
    return;
  }
  const origin = await api.get<Origin>(`origin/${job.namespace}/${job.name}`, { context });
  if (origin.notebook === '') {
    throw new Error(origin.why);
  }
  const path = { path: origin.notebook };
  const panel = (await app.commands.execute('docmanager:open', path)) as NotebookPanel | undefined;
  if (panel === undefined) {
    return; // Notebook 7 opens it in a browser tab of its own.
  }
  await panel.context.ready;
  const index = cellOf(cells(panel), job, origin.source);
  if (index < 0) {
    throw new Error(
      trans.__('The cell that sent %1 is not in %2 any more, or was changed.', job.name, origin.notebook)
    );
  }
  show(app, panel, index);
}

/** The cell whose output shows the job, else the first with its text; -1: neither. */
export function cellOf(all: readonly CellModel[], { uid }: Pick<Sent, 'uid'>, source: string): number {
  const shown = all.findIndex(cell => jobsOf(cell).some(saved => saved.uid === uid));
  const text = source.trim();
  return shown >= 0 || text === ''
    ? shown
    : all.findIndex(cell => cell.type === 'code' && cell.sharedModel.getSource().includes(text));
}

/** The jobs that a cell's outputs show. */
export function jobsOf(cell: CellModel): Saved[] {
  const { outputs } = cell;
  return Array.from({ length: outputs?.length ?? 0 }, (_, i) => outputs?.get(i).data ?? {})
    .filter(data => data[JOB] !== undefined)
    .map(data => read(data))
    .filter((saved): saved is Saved => saved !== null && saved.uid !== '');
}

function show(app: JupyterFrontEnd, panel: NotebookPanel, index: number): void {
  const { content } = panel;
  app.shell.activateById(panel.id);
  content.deselectAll();
  content.activeCellIndex = index;
  void content.scrollToItem(index, 'start');
}

function cells(panel: NotebookPanel): CellModel[] {
  return [...(panel.content.model?.cells ?? [])];
}
