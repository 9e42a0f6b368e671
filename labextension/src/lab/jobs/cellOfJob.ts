/** From a job to the cell that sent it, and from a cell to its job. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { ICellModel } from '@jupyterlab/cells';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';

import type { JobRow } from '../../core/jobTypes';
import { trans } from '../../core/i18n';
import type { Api } from '../server/api';
import { JOB_MIME, readOutput, type SavedOutput } from '../outputs/outputMime';
import { outputsOf } from '../outputs/outputKeeper';

interface Origin {
  /** Its path in the server's contents; empty if it is unknown or missing. */
  notebook: string;
  source: string;
  why: string;
}

type JobIdentity = Pick<JobRow, 'uid' | 'name' | 'namespace'>;

/** Shows the cell of a job; rejects with an `Error` that gives the reason if it cannot. */
export async function showCellOf(
  app: JupyterFrontEnd,
  notebooks: INotebookTracker,
  api: Api,
  job: JobIdentity,
  context: string | null
): Promise<void> {
  const open = notebooks.find(panel => findCell(cells(panel), job, '') >= 0);
  if (open !== undefined) {
    activateCell(app, open, findCell(cells(open), job, ''));
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
  const index = findCell(cells(panel), job, origin.source);
  if (index < 0) {
    throw new Error(
      trans.__('The cell that sent %1 is not in %2 any more, or was changed.', job.name, origin.notebook)
    );
  }
  activateCell(app, panel, index);
}

/** The index of the cell whose output shows the job, else of the first cell that contains `source`; -1 without either. */
export function findCell(
  all: readonly ICellModel[],
  { uid }: Pick<JobIdentity, 'uid'>,
  source: string
): number {
  const withOutput = all.findIndex(cell => jobsOf(cell).some(saved => saved.uid === uid));
  const text = source.trim();
  return withOutput >= 0 || text === ''
    ? withOutput
    : all.findIndex(cell => cell.type === 'code' && cell.sharedModel.getSource().includes(text));
}

/** The jobs that a cell's outputs show. */
export function jobsOf(cell: ICellModel): SavedOutput[] {
  const outputs = outputsOf(cell);
  return Array.from({ length: outputs?.length ?? 0 }, (_, i) => outputs?.get(i).data ?? {})
    .filter(data => data[JOB_MIME] !== undefined)
    .map(data => readOutput(data))
    .filter((saved): saved is SavedOutput => saved !== null && saved.uid !== '');
}

function activateCell(app: JupyterFrontEnd, panel: NotebookPanel, index: number): void {
  const { content } = panel;
  app.shell.activateById(panel.id);
  content.deselectAll();
  content.activeCellIndex = index;
  void content.scrollToItem(index, 'start');
}

function cells(panel: NotebookPanel): ICellModel[] {
  return [...(panel.content.model?.cells ?? [])];
}
