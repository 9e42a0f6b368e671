/**
 * The Jupyter server's data for a saved output: its job, or all jobs for a panel.
 *
 * Held by a `JobOutput`, which reports whether it is visible. Nothing is requested before it is visible for the first
 * time. The channel of an output out of sight is closed after a delay, and reopened when it is visible again.
 */
import type { OpenChannel, Channel, Stream } from '../../core/jobs/jobStream';
import type { StateName } from '../../core/jobTypes';
import { trans } from '../../core/i18n';
import type { SavedOutput } from './outputMime';

/** Delay before closing an output that scrolled out of view. */
const LINGER_MS = 5000;

export class LiveJob {
  private opened: OpenChannel | null = null;
  private isSeen = false;
  private closeTimer: ReturnType<typeof setTimeout> | undefined;
  private readonly unsubscribes: (() => void)[] = [];

  constructor(
    private readonly stream: Stream,
    private readonly saved: SavedOutput,
    private readonly changed: () => void
  ) {}

  /** The channel to draw; null if the server does not have the job, or has not answered yet. */
  get channel(): Channel | null {
    const channel = this.opened?.channel;
    if (channel === undefined) {
      return null;
    }
    const { state } = this;
    const hasJob =
      this.saved.uid === '' ? channel.jobs.view().rows !== null : state !== undefined && state !== 'Deleted';
    return hasJob ? channel : null;
  }

  /** Whether the job was deleted. */
  get isGone(): boolean {
    return this.state === 'Deleted';
  }

  private get state(): StateName | undefined {
    const stores = this.opened?.channel.jobs.view().open;
    return stores?.find(({ uid }) => uid === this.saved.uid)?.view().job?.state;
  }

  /** Why there is nothing to draw, as text; empty if unknown. */
  get why(): string {
    const channel = this.opened?.channel;
    if (channel === undefined || this.channel !== null) {
      return '';
    }
    return this.isGone
      ? trans.__('The job was deleted.')
      : channel.view().trouble || channel.jobs.view().trouble;
  }

  setVisible(isSeen: boolean): void {
    if (isSeen === this.isSeen) {
      return;
    }
    this.isSeen = isSeen;
    clearTimeout(this.closeTimer);
    if (!isSeen) {
      this.closeTimer = setTimeout(() => this.opened?.close(), LINGER_MS);
    } else if (this.opened === null) {
      this.open();
    } else {
      this.opened.reopen();
    }
  }

  dispose(): void {
    clearTimeout(this.closeTimer);
    this.unsubscribes.splice(0).forEach(end => end());
    this.opened?.close();
    this.opened = null;
  }

  private open(): void {
    const { uid, context, namespace } = this.saved;
    this.opened = this.stream.open({
      context: context || null,
      namespace: namespace || null,
      list: uid === ''
    });
    const { channel } = this.opened;
    if (uid !== '') {
      channel.jobs.open(uid);
    }
    const sources = [channel, channel.jobs, ...channel.jobs.view().open];
    this.unsubscribes.push(...sources.map(source => source.subscribe(this.changed)));
  }
}
