/** What a screen reader hears: state changes and quarters of the way, at most one message in ten seconds. */
import { progressText, reason } from './describe';
import type { Job } from './types';

export const QUIET_SECONDS = 10;

/** Decides when something is worth saying. Pure but for its memory: the caller gives the clock. */
export class Announcer {
  private said = '';
  private saidAt = -Infinity;

  /** Returns the message to say now, or null; `wait` is when to ask again, in seconds. */
  next(job: Job, now: number): { message: string | null; wait: number | null } {
    const key = milestone(job);
    if (key === this.said) {
      return { message: null, wait: null };
    }
    const wait = this.saidAt + QUIET_SECONDS - now;
    if (wait > 0) {
      return { message: null, wait };
    }
    this.said = key;
    this.saidAt = now;
    return { message: sentence(job), wait: null };
  }
}

function milestone(job: Job): string {
  const quarter = job.state === 'Running' && job.progress !== null ? Math.floor(job.progress * 4) : 0;
  return `${job.state} ${quarter} ${reason(job)}`;
}

function sentence(job: Job): string {
  const why = job.failure?.headline ?? reason(job);
  return `${job.name}: ${progressText(job)}${why === '' ? '' : `. ${why}`}`;
}
