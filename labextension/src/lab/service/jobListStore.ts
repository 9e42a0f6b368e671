/** The jobs of the chosen namespace: one list per page, for the sidebar, commands and the Running panel. */
import { Store } from '../../core/store';
import type { OpenChannel, Channel, Stream } from '../../core/jobs/jobStream';
import type { JobRow } from '../../core/jobTypes';
import type { ChosenNamespace } from './chosenNamespace';

interface JobListView {
  /** Null before first use. */
  channel: Channel | null;
  rows: readonly JobRow[];
  context: string | null;
}

export class JobListStore extends Store<JobListView> {
  private opened: OpenChannel | null = null;
  private unsubscribes: (() => void)[] = [];

  constructor(
    private readonly stream: Stream,
    private readonly chosen: ChosenNamespace
  ) {
    super({ channel: null, rows: [], context: null });
    chosen.subscribe(() => this.opened !== null && this.restart());
  }

  /** Requests the list on first use. */
  start(): Channel {
    return this.opened?.channel ?? this.restart();
  }

  /** Opens the channel of the chosen namespace again, instead of the current one. */
  restart = (): Channel => {
    this.unsubscribes.forEach(end => end());
    this.opened?.close();
    this.opened = this.stream.open({ ...this.chosen.view(), list: true });
    const { channel } = this.opened;
    const update = (): void =>
      this.change({ channel, rows: channel.jobs.view().rows ?? [], context: channel.view().context });
    this.unsubscribes = [channel, channel.jobs].map(item => item.subscribe(update));
    update();
    return channel;
  };

  /** Resolves when the jobs are loaded; rejects with the reason if they cannot be loaded. */
  async ready(): Promise<void> {
    this.start();
    await new Promise<void>((resolve, reject) => {
      let end = (): void => undefined;
      const check = (): void => {
        const channel = this.opened?.channel;
        const trouble = channel?.view().trouble || channel?.jobs.view().trouble || '';
        if (channel?.jobs.view().rows != null || trouble !== '') {
          end();
          if (trouble === '') {
            resolve();
          } else {
            reject(new Error(trouble));
          }
        }
      };
      end = this.subscribe(check);
      check();
    });
  }

  find(uid: string): JobRow | undefined {
    return this.current.rows.find(row => row.uid === uid);
  }
}
