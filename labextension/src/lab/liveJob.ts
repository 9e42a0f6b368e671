/**
 * What the Jupyter server knows of a saved output: its job, or all jobs for a panel's.
 *
 * Held by a `JobOutput`, which says whether it is seen; one that is out of sight is told nothing, and goes on where it
 * was when it is seen again. Nothing is asked before it is seen for the first time.
 */
import type { Opened, Place, Stream } from '../core/stream';
import type { StateName } from '../core/types';
import { trans } from '../core/words';
import type { Saved } from './bundle';

/** So long something out of sight is still told, because people scroll up and down. */
const LINGER_MS = 5000;

export class LiveJob {
  private opened: Opened | null = null;
  private isSeen = false;
  private leaving: ReturnType<typeof setTimeout> | undefined;
  private readonly ends: (() => void)[] = [];

  constructor(
    private readonly stream: Stream,
    private readonly saved: Saved,
    private readonly changed: () => void
  ) {}

  /** What to draw; null: the server does not know the job, or not yet. */
  get place(): Place | null {
    const place = this.opened?.place;
    if (place === undefined) {
      return null;
    }
    const { state } = this;
    const isThere =
      this.saved.uid === '' ? place.jobs.view().rows !== null : state !== undefined && state !== 'Deleted';
    return isThere ? place : null;
  }

  /** Nothing brings the job back. */
  get isGone(): boolean {
    return this.state === 'Deleted';
  }

  private get state(): StateName | undefined {
    const stores = this.opened?.place.jobs.view().open;
    return stores?.find(({ uid }) => uid === this.saved.uid)?.view().job?.state;
  }

  /** Why there is nothing to draw, in words; empty where that is not known yet. */
  get why(): string {
    const place = this.opened?.place;
    if (place === undefined || this.place !== null) {
      return '';
    }
    return this.isGone ? trans.__('The job was deleted.') : place.view().trouble || place.jobs.view().trouble;
  }

  see(isSeen: boolean): void {
    if (isSeen === this.isSeen) {
      return;
    }
    this.isSeen = isSeen;
    clearTimeout(this.leaving);
    if (!isSeen) {
      this.leaving = setTimeout(() => this.opened?.close(), LINGER_MS);
    } else if (this.opened === null) {
      this.begin();
    } else {
      this.opened.reopen();
    }
  }

  dispose(): void {
    clearTimeout(this.leaving);
    this.ends.splice(0).forEach(end => end());
    this.opened?.close();
    this.opened = null;
  }

  private begin(): void {
    const { uid, context, namespace } = this.saved;
    this.opened = this.stream.open({
      context: context || null,
      namespace: namespace || null,
      list: uid === ''
    });
    const { place } = this.opened;
    if (uid !== '') {
      place.jobs.open(uid);
    }
    const sources = [place, place.jobs, ...place.jobs.view().open];
    this.ends.push(...sources.map(source => source.subscribe(this.changed)));
  }
}
