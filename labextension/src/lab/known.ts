/** The jobs of the place that is looked at: the page's one list, for the sidebar, commands and the Running panel. */
import { Held } from '../core/held';
import type { Opened, Place, Stream } from '../core/stream';
import type { Action, JobRow } from '../core/types';
import type { Chosen } from './chosen';

interface Rows {
  /** Null before somebody wants to know. */
  place: Place | null;
  rows: readonly JobRow[];
  context: string | null;
}

export class Known extends Held<Rows> {
  private opened: Opened | null = null;
  private ends: (() => void)[] = [];

  constructor(
    private readonly stream: Stream,
    private readonly where: Chosen
  ) {
    super({ place: null, rows: [], context: null });
    where.subscribe(() => this.opened !== null && this.begin());
  }

  /** Nothing is asked for before somebody wants to know. */
  start(): Place {
    return this.opened?.place ?? this.begin();
  }

  /** Asks for the place that is chosen by now, whatever was asked for before. */
  begin = (): Place => {
    this.ends.forEach(end => end());
    this.opened?.close();
    this.opened = this.stream.open({ ...this.where.view(), list: true });
    const { place } = this.opened;
    const look = (): void =>
      this.change({ place, rows: place.jobs.view().rows ?? [], context: place.view().context });
    this.ends = [place, place.jobs].map(each => each.subscribe(look));
    look();
    return place;
  };

  /** Settles when the jobs are known, or when it is known why they are not, which is the error then. */
  async ready(): Promise<void> {
    this.start();
    await new Promise<void>((resolve, reject) => {
      let end = (): void => undefined;
      const look = (): void => {
        const place = this.opened?.place;
        const trouble = place?.view().trouble || place?.jobs.view().trouble || '';
        if (place?.jobs.view().rows != null || trouble !== '') {
          end();
          if (trouble === '') {
            resolve();
          } else {
            reject(new Error(trouble));
          }
        }
      };
      end = this.subscribe(look);
      look();
    });
  }

  find(uid: string): JobRow | undefined {
    return this.current.rows.find(row => row.uid === uid);
  }

  /** Changes a job; fails in words. */
  act = async (uid: string, what: Action): Promise<void> => {
    await this.start().jobs.ask(uid, what, {});
  };
}
