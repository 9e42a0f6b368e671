/** Screen reader announcements: state changes and quarters of the progress, at most one message in ten seconds. */
import { progressText, reason } from './jobText';
import type { Job } from '../jobTypes';

export const QUIET_SECONDS = 10;

/** Rate-limits announcements. The caller supplies the clock. */
export class Announcer {
  private lastMilestone = '';
  private lastTime = -Infinity;

  /** Returns the message to announce now, or null; `wait` is the time until the next call, in seconds. */
  next(job: Job, now: number): { message: string | null; wait: number | null } {
    const key = milestone(job);
    if (key === this.lastMilestone) {
      return { message: null, wait: null };
    }
    const wait = this.lastTime + QUIET_SECONDS - now;
    if (wait > 0) {
      return { message: null, wait };
    }
    this.lastMilestone = key;
    this.lastTime = now;
    return { message: sentence(job), wait: null };
  }
}

function milestone(job: Job): string {
  const quarter = job.state === 'Running' && job.progress !== null ? Math.floor(job.progress * 4) : 0;
  return `${job.state} ${quarter} ${reason(job)}`;
}

function sentence(job: Job): string {
  const cause = job.failure?.headline ?? reason(job);
  return `${job.name}: ${progressText(job)}${cause === '' ? '' : `. ${cause}`}`;
}
