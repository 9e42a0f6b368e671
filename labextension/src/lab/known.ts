/** The jobs of the place that is looked at, for whoever has no list of his own: commands and the Running panel. */
import { Held } from '../core/held';
import type { Opened, Stream } from '../core/stream';
import type { Action, JobRow } from '../core/types';
import type { Chosen } from './chosen';

interface Rows {
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
    super({ rows: [], context: null });
    where.subscribe(() => this.opened !== null && this.begin());
  }

  /** Nothing is asked for before somebody wants to know. */
  begin = (): void => {
    this.ends.forEach(end => end());
    this.opened?.close();
    const opened = this.stream.open({ ...this.where.view(), list: true });
    this.opened = opened;
    const look = (): void =>
      this.change({
        rows: opened.place.jobs.view().rows ?? [],
        context: opened.place.view().context
      });
    this.ends = [opened.place, opened.place.jobs].map(each => each.subscribe(look));
  };

  /** Settles when the jobs are known, or when it is known why they are not, which is the error then. */
  async ready(): Promise<void> {
    if (this.opened === null) {
      this.begin();
    }
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
    if (this.opened === null) {
      this.begin();
    }
    await this.opened?.place.jobs.ask(uid, what, {});
  };
}
