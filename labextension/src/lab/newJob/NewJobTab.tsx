/** The form as a tab of the main area, which follows the notebook that was looked at last. */
import type { NotebookPanel, NotebookTracker } from '@jupyterlab/notebook';
import type { ReactElement } from 'react';

import { Held } from '../../core/held';
import { trans } from '../../core/words';
import { useView } from '../../ui/useView';
import type { Choice, Drafted } from './choice';
import { Draft } from './draft';
import type { Runtime } from '../api';
import './form.css';
import { NewJob, type Target } from './NewJob';
import { follow, run, targets, write } from './notebook';
import { Tab } from '../tab';

/** What the form asks the server. */
export interface Server {
  /** Makes sure that there is a cluster to ask. */
  begin(): Promise<void>;
  runtimes(): Promise<readonly Runtime[]>;
  /** What is free now, in words. */
  free(): Promise<string>;
  draft(options: Record<string, unknown>): Promise<Drafted>;
}

interface FormView {
  runtimes: readonly Runtime[] | null;
  free: string;
  targets: readonly Target[];
  target: string;
  call: string;
  notebook: string;
  said: string;
}

/** What was chosen last for a notebook, by its path, for as long as the page is open. */
const remembered = new Map<string, Partial<Choice>>();

class Form extends Held<FormView> {
  readonly draft: Draft;
  private readonly leave: () => void;
  private panel: NotebookPanel | null = null;

  constructor(
    private readonly notebooks: NotebookTracker,
    usual: Partial<Choice>,
    private readonly server: Server
  ) {
    super({ runtimes: null, free: '', targets: [], target: 'cell', call: '', notebook: '', said: '' });
    const choice = { ...usual, ...remembered.get(pathOf(notebooks.currentWidget)) };
    this.draft = new Draft(options => server.draft(options), choice);
    this.leave = follow(notebooks, this.look);
    this.look();
    void this.ask();
  }

  dispose(): void {
    this.leave();
    this.draft.close();
  }

  look = (): void => {
    this.panel = this.notebooks.currentWidget ?? null;
    const found = targets(this.panel);
    const target = found.some(each => each.id === this.current.target) ? this.current.target : 'cell';
    this.change({ targets: found, target, notebook: pathOf(this.panel) });
  };

  /** Asks for what the cluster has, and for the line. */
  async ask(): Promise<void> {
    this.draft.renew();
    try {
      await this.server.begin();
      const [runtimes, free] = await Promise.all([this.server.runtimes(), this.server.free()]);
      this.change({ runtimes, free });
      this.draft.renew();
    } catch (error) {
      this.change({ said: (error as Error).message });
    }
  }

  choose = (target: string): void =>
    this.change({ target, call: this.current.targets.find(each => each.id === target)?.call ?? '' });

  callAs = (call: string): void => this.change({ call });

  write = (line: string): void => {
    this.put(line);
  };

  run = (line: string): void => {
    const panel = this.put(line);
    if (panel !== null) {
      run(panel).then(
        () => this.change({ said: trans.__('Sent: its card is below the cell.') }),
        (error: Error) => this.change({ said: error.message })
      );
    }
  };

  private put(line: string): NotebookPanel | null {
    const { panel } = this;
    if (panel === null || panel.isDisposed) {
      this.change({ said: trans.__('The notebook is closed.') });
      return null;
    }
    const { target, call } = this.current;
    write(panel, line, target === 'cell' ? null : call);
    remembered.set(pathOf(panel), this.draft.view().choice);
    this.change({ said: trans.__('Written into the notebook.') });
    return panel;
  }
}

export const ID = 'jupyter-trainjob-new-job';

export class NewJobTab extends Tab {
  private readonly form: Form;

  /** `usual`: what the form begins with, where nothing was chosen for the notebook before. */
  constructor(notebooks: NotebookTracker, usual: Partial<Choice>, server: Server) {
    super(ID, trans.__('New training job'));
    this.form = new Form(notebooks, usual, server);
  }

  override dispose(): void {
    this.form.dispose();
    super.dispose();
  }

  render(): ReactElement {
    return <Shown form={this.form} />;
  }
}

function Shown({ form }: { form: Form }): ReactElement {
  const view = useView(form);
  return (
    <div className="tj-host">
      <NewJob
        {...view}
        draft={form.draft}
        onTarget={form.choose}
        onCall={form.callAs}
        onWrite={form.write}
        onRun={form.run}
      />
    </div>
  );
}

const pathOf = (panel: NotebookPanel | null | undefined): string => panel?.context.path ?? '';
