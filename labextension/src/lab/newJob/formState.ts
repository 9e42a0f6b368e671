/** The state and actions of the form. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { ICellModel } from '@jupyterlab/cells';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';

import { Store } from '../../core/store';
import { trans } from '../../core/i18n';
import type { Api, Runtime } from '../server/api';
import { jobsOf } from '../jobs/cellOfJob';
import type { TrainJobs } from '../service/plugin';
import { callRefusal } from './cells';
import { type FieldValues, type DraftedJob, type FormField, initialValues } from '../server/jobForm';
import { markConfirmed, Destination, isUnconfirmed } from './destination';
import { Draft } from './draft';
import type { Target } from './NewJob';
import {
  activateCell,
  activateCode,
  followNotebook,
  runCell,
  sendsTo,
  targetsIn,
  writeCell
} from './notebook';

export interface FormView {
  /** Empty before they are loaded. */
  fields: readonly FormField[];
  /** Null before they are loaded. */
  runtimes: readonly Runtime[] | null;
  /** The cluster's free capacity, as text. */
  free: string;
  targets: readonly Target[];
  target: string;
  call: string;
  callProblem: string;
  notebook: string;
  /** The outcome of the last action. */
  message: string;
  /** Whether a job was sent that can be opened. */
  isSent: boolean;
  isBusy: boolean;
  /** The job whose destination has to be confirmed. */
  asking: DraftedJob | null;
}

/** A cell that was written, and the destination of its job. */
interface SentCell {
  panel: NotebookPanel;
  cell: ICellModel;
  context: string;
  namespace: string;
}

/** The last values of the form by the notebook's path, until the page is closed. */
const remembered = new Map<string, FieldValues>();

export class FormState extends Store<FormView> {
  readonly draft: Draft;
  readonly destination: Destination;
  private readonly api: Api;
  private readonly unsubscribe: () => void;
  private panel: NotebookPanel | null = null;
  private sent: SentCell | null = null;
  private turn = 0;

  /** `defaults`: the initial values for a notebook whose form was not used before. */
  constructor(
    private readonly app: JupyterFrontEnd,
    private readonly jobs: TrainJobs,
    private readonly notebooks: INotebookTracker,
    defaults: FieldValues,
    private readonly freeOf: (context: string) => Promise<string>
  ) {
    super({
      fields: [],
      runtimes: null,
      free: '',
      targets: [],
      target: 'cell',
      call: '',
      callProblem: '',
      notebook: '',
      message: '',
      isSent: false,
      isBusy: false,
      asking: null
    });
    this.api = jobs.api;
    const choice = { ...defaults, ...remembered.get(pathOf(notebooks.currentWidget)) };
    this.draft = new Draft(options => this.draftOf(options), choice);
    this.destination = new Destination(jobs.chosen, this.api, this.onDestination);
    this.unsubscribe = followNotebook(notebooks, this.refreshTargets);
    this.loadFields();
  }

  dispose(): void {
    this.turn += 1;
    this.unsubscribe();
    this.draft.close();
    this.destination.dispose();
  }

  /** Selects a cell with code: after the last cell was run, the current one is often empty. */
  chooseCode(): void {
    if (this.panel !== null && this.current.target === 'cell') {
      activateCode(this.panel);
    }
  }

  setTarget = (target: string): void =>
    this.setCall(this.current.targets.find(item => item.id === target)?.call ?? '', target);

  setCall = (call: string, target = this.current.target): void =>
    this.change({ target, call, callProblem: target === 'cell' ? '' : callRefusal(call) });

  write = (drafted: DraftedJob): void =>
    this.perform(async () => {
      if ((await this.writeCell(drafted)) !== null) {
        this.change({ message: trans.__('Written into the notebook.') });
      }
    });

  /** Sends the job; the first one to a real cluster is confirmed by its name. */
  run = (drafted: DraftedJob): void => {
    const { cluster } = this.destination.view();
    if (cluster !== null && isUnconfirmed(cluster)) {
      this.change({ asking: drafted, message: '', isSent: false });
    } else {
      this.send(drafted);
    }
  };

  confirm = (): void => {
    const { asking } = this.current;
    const { cluster } = this.destination.view();
    this.change({ asking: null });
    if (asking !== null && cluster !== null) {
      markConfirmed(cluster);
      this.send(asking);
    }
  };

  cancel = (): void => this.change({ asking: null });

  openJob = (): void => {
    const { sent } = this;
    const job = sent === null ? undefined : jobsOf(sent.cell).at(-1);
    if (sent !== null && job !== undefined) {
      const { context, namespace } = sent;
      this.jobs.open(job.uid, { context, namespace });
    } else {
      this.goToCell();
    }
  };

  goToCell = (): void => {
    const { sent } = this;
    if (sent === null || sent.panel.isDisposed || !activateCell(sent.panel, sent.cell)) {
      this.change({ message: trans.__('The cell is not there any more.'), isSent: false });
      return;
    }
    this.app.shell.activateById(sent.panel.id);
    void sent.panel.content.scrollToItem(sent.panel.content.activeCellIndex, 'start');
  };

  private loadFields(): void {
    this.api.fields().then(
      fields => {
        this.change({ fields });
        this.draft.begin(initialValues(fields));
      },
      (error: Error) => this.change({ message: error.message })
    );
  }

  private refreshTargets = (): void => {
    this.panel = this.notebooks.currentWidget ?? null;
    const targets = targetsIn(this.panel);
    const target = targets.some(item => item.id === this.current.target) ? this.current.target : 'cell';
    this.change({
      targets,
      target,
      callProblem: target === 'cell' ? '' : this.current.callProblem,
      notebook: pathOf(this.panel)
    });
  };

  /** Drops what was loaded for the last destination, and loads it for the new one. */
  private onDestination = (): void => {
    const turn = ++this.turn;
    this.change({ runtimes: null, free: '', asking: null });
    this.draft.restart();
    const { cluster, namespace } = this.destination.view();
    if (cluster === null) {
      return;
    }
    const load = async (): Promise<Partial<FormView>> => {
      if (cluster.embedded && cluster.running === false) {
        await this.api.embedded('start'); // The job will need it.
      }
      const [runtimes, free] = await Promise.all([
        this.api.runtimes(cluster.name, namespace),
        this.freeOf(cluster.name)
      ]);
      return { runtimes, free };
    };
    load().then(
      loaded => {
        if (turn === this.turn) {
          this.change(loaded);
          this.draft.reload(); // Its hints depend on the runtimes and the capacity.
        }
      },
      (error: Error) => turn === this.turn && this.change({ message: error.message, isSent: false })
    );
  };

  /** Requests the draft of a job; pending while the destination is unknown. */
  private draftOf(options: FieldValues): Promise<DraftedJob> {
    const { cluster, namespace } = this.destination.view();
    return cluster === null ? new Promise(() => undefined) : this.api.form(options, cluster.name, namespace);
  }

  private send(drafted: DraftedJob): void {
    this.perform(async () => {
      const sent = await this.writeCell(drafted);
      if (sent !== null) {
        this.sent = sent;
        this.change({ message: trans.__('Sending…') });
        const isSent = (await runCell(sent.panel, sent.cell)) && jobsOf(sent.cell).length > 0;
        this.change({ isSent, message: isSent ? '' : trans.__('Not sent: the cell says why.') });
      }
    });
  }

  /** Runs one action at a time, and shows its error. */
  private perform(action: () => Promise<void>): void {
    if (this.current.isBusy) {
      return;
    }
    this.change({ isBusy: true, message: '', isSent: false });
    action()
      .catch((error: Error) => this.change({ message: error.message }))
      .finally(() => this.change({ isBusy: false }));
  }

  /** Writes the line with the form's values of this moment: they may change while the kernel is asked. */
  private async writeCell(drafted: DraftedJob): Promise<SentCell | null> {
    const { panel } = this;
    const { target, call } = this.current;
    const { cluster, namespace } = this.destination.view();
    const { choice } = this.draft.view();
    const cell = panel?.content.activeCell?.model;
    if (panel === null || panel.isDisposed || cell === undefined || cluster === null) {
      this.change({ message: trans.__('The notebook is closed.') });
      return null;
    }
    const line = (await sendsTo(panel, cluster.name, namespace)) ? drafted.line : drafted.full;
    const written = panel.isDisposed ? null : writeCell(panel, cell, line, target === 'cell' ? null : call);
    if (written === null) {
      this.change({ message: trans.__('The cell is not in the notebook any more.') });
      return null;
    }
    remembered.set(pathOf(panel), choice);
    return { panel, cell: written, context: cluster.name, namespace };
  }
}

const pathOf = (panel: NotebookPanel | null | undefined): string => panel?.context.path ?? '';
