/** What the sidebar shows: the place that is looked at, and what the server knows of it, asked now and then. No DOM. */
import { Held } from '../../core/held';
import type { Place, Where } from '../../core/stream';
import { type Cluster, type NodeRoom, Refused, type Runtime } from '../api';
import type { TrainJobs } from '../service';

export interface Known {
  clusters: readonly Cluster[];
  namespaces: readonly string[];
  nodes: readonly NodeRoom[];
  runtimes: readonly Runtime[];
  /** What may not be seen, and why, in sentences. */
  hidden: readonly string[];
}

interface State {
  place: Place;
  where: Where;
  known: Known;
}

export const NOTHING: Known = { clusters: [], namespaces: [], nodes: [], runtimes: [], hidden: [] };
/** Many jobs may change at once. */
const PAUSE_MS = 1000;
/** A cluster that does not answer: the list says so already. */
const AWAY = [0, 502];

export class Model extends Held<State> {
  private readonly forget: () => void;
  private told = '';
  private turn = 0;
  private pending: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly jobs: TrainJobs) {
    super({ place: jobs.known.start(), where: jobs.where.view(), known: NOTHING });
    this.told = told(this.current.place);
    this.forget = jobs.known.subscribe(this.changed);
  }

  dispose(): void {
    this.forget();
    this.stop();
  }

  /** Asks what is there. What cannot be asked now stays as it was. */
  look = async (): Promise<void> => {
    const turn = ++this.turn;
    const { api } = this.jobs;
    const { context, namespace } = this.current.where;
    const found: Partial<Known> = {};
    const hidden: string[] = [];
    const take = async <T>(asked: Promise<T>, into: (answer: T) => void): Promise<void> => {
      try {
        into(await asked);
      } catch (error) {
        if (!(error instanceof Refused && AWAY.includes(error.status))) {
          hidden.push((error as Error).message);
        }
      }
    };
    await Promise.all([
      take(api.clusters(), ({ clusters, why }) => {
        found.clusters = clusters;
        hidden.push(why);
      }),
      take(api.namespaces(context), ({ namespaces, why }) => {
        found.namespaces = namespaces;
        hidden.push(why);
      }),
      take(api.capacity(context), ({ nodes, why }) => {
        found.nodes = nodes;
        hidden.push(why);
      }),
      take(api.runtimes(context, namespace), runtimes => void (found.runtimes = runtimes))
    ]);
    if (turn === this.turn) {
      const said = [...new Set(hidden.filter(why => why !== ''))];
      this.change({ known: { ...this.current.known, ...found, hidden: said } });
    }
  };

  embedded = async (what: 'start' | 'stop'): Promise<void> => {
    await this.jobs.api.embedded(what);
    await this.look();
    if (what === 'start') {
      this.jobs.known.begin(); // At once, not with the next try.
    }
  };

  private stop(): void {
    clearTimeout(this.pending);
    this.pending = undefined;
    this.turn += 1;
  }

  /** Looks anew at another place at once, and soon when the cluster has come or gone, or jobs have. */
  private changed = (): void => {
    const place = this.jobs.known.start();
    const before = this.told;
    this.told = told(place);
    if (place !== this.current.place) {
      this.stop();
      const known = { ...NOTHING, clusters: this.current.known.clusters };
      this.change({ place, where: this.jobs.where.view(), known });
      void this.look();
    } else if (this.told !== before) {
      this.pending ??= setTimeout(() => {
        this.pending = undefined;
        void this.look();
      }, PAUSE_MS);
    }
  };
}

function told(place: Place): string {
  const { rows, trouble } = place.jobs.view();
  return JSON.stringify([place.view().trouble, trouble, rows?.map(row => row.state)]);
}
