/** The widget of the left area: holds the place that is looked at, and asks now and then what the server knows of it. */
import { ReactWidget } from '@jupyterlab/ui-components';
import type { ReactElement } from 'react';

import { Held } from '../../core/held';
import type { Place, Where } from '../../core/stream';
import { useView } from '../../ui/useView';
import type { TrainJobs } from '../service';
import { type Known, Panel } from './Panel';
import './sidebar.css';

/** Seconds between two looks at what is free, while somebody sees it. */
const PACE = 15;
/** Many jobs may change at once. */
const PAUSE_MS = 1000;
const NOTHING: Known = { clusters: [], namespaces: [], nodes: [], why: '', runtimes: [] };

interface State {
  place: Place;
  where: Where;
  known: Known;
}

class Model extends Held<State> {
  private close: () => void;
  private turn = 0;
  private pending: number | undefined;

  constructor(private readonly jobs: TrainJobs) {
    const where = jobs.where.view();
    const opened = jobs.stream.open({ ...where, list: true });
    super({ place: opened.place, where, known: NOTHING });
    this.close = opened.close;
    this.follow();
    jobs.where.subscribe(this.go);
  }

  /** Looks anew when the cluster has come or gone, or jobs have. */
  private follow(): void {
    const { place } = this.current;
    const told = (): string => {
      const { rows, trouble } = place.jobs.view();
      return JSON.stringify([place.view().trouble, trouble, rows?.map(row => row.state)]);
    };
    let before = told();
    place.jobs.subscribe(() => {
      const now = told();
      if (place === this.current.place && now !== before) {
        before = now;
        this.pending ??= window.setTimeout(() => {
          this.pending = undefined;
          void this.look();
        }, PAUSE_MS);
      }
    });
  }

  go = (): void => {
    const where = this.jobs.where.view();
    this.close();
    const { place, close } = this.jobs.stream.open({ ...where, list: true });
    this.close = close;
    this.change({ place, where, known: { ...NOTHING, clusters: this.current.known.clusters } });
    this.follow();
    void this.look();
  };

  /** Asks what is there. What fails stays as it was: the list itself says what is wrong. */
  look = async (): Promise<void> => {
    const turn = ++this.turn;
    const { api } = this.jobs;
    const { context, namespace } = this.current.where;
    const take = (known: Partial<Known>): void => {
      if (turn === this.turn) {
        this.change({ known: { ...this.current.known, ...known } });
      }
    };
    await Promise.allSettled([
      api.clusters().then(clusters => take({ clusters })),
      api.namespaces(context).then(({ namespaces }) => take({ namespaces })),
      api.capacity(context).then(({ nodes, why }) => take({ nodes, why })),
      api.runtimes(context, namespace).then(runtimes => take({ runtimes }))
    ]);
  };

  embedded = async (what: 'start' | 'stop'): Promise<void> => {
    await this.jobs.api.embedded(what);
    await this.look();
    if (what === 'start') {
      this.go(); // At once, not with the next try.
    }
  };
}

export class Sidebar extends ReactWidget {
  private readonly model: Model;

  constructor(
    private readonly jobs: TrainJobs,
    private readonly onNew: (where: Where) => void
  ) {
    super();
    this.model = new Model(jobs);
    this.id = 'jupyter-trainjob:sidebar';
    this.addClass('tj-sidebar');
    this.title.caption = 'Training jobs';
    void this.model.look();
    window.setInterval(() => this.isVisible && void this.model.look(), PACE * 1000);
  }

  render(): ReactElement {
    return <Shown model={this.model} jobs={this.jobs} onNew={this.onNew} />;
  }
}

interface ShownProps {
  model: Model;
  jobs: TrainJobs;
  onNew: (where: Where) => void;
}

function Shown({ model, jobs, onNew }: ShownProps): ReactElement {
  const { place, where, known } = useView(model);
  return (
    <div className="tj-host">
      <Panel
        place={place}
        where={where}
        known={known}
        onGo={to => jobs.where.choose(to)}
        onOpen={({ uid, name }) => {
          const { context, namespace } = place.view();
          jobs.open(uid, { name, context, namespace });
        }}
        onNew={() => onNew(where)}
        onStart={() => model.embedded('start')}
        onStop={() => model.embedded('stop')}
      />
    </div>
  );
}
