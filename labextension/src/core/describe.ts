/** What is said about a job: small pure functions from the snapshot to words. */
import { clock, count, duration, percent, plural } from './format';
import type { Failure, Job, StateName } from './types';

/** How a state is coloured; its word and icon say the same. */
export type Tone = 'plain' | 'waiting' | 'active' | 'good' | 'bad';

const TONES: Record<StateName, Tone> = {
  Queued: 'waiting',
  Starting: 'active',
  Running: 'active',
  Stopped: 'plain',
  Suspended: 'plain',
  Complete: 'good',
  Failed: 'bad',
  Deleted: 'plain'
};

export function tone(state: StateName): Tone {
  return TONES[state];
}

/** Whether the job may go on by itself: its clock ticks and it can be stopped. */
export function isLive(state: StateName): boolean {
  return state === 'Queued' || state === 'Starting' || state === 'Running';
}

/** How big it is (nodes × processes), what it runs and where: the quiet half of the head. */
export function facts(job: Job): string[] {
  const { nodes, procs_per_node: procs, ranks_running: running } = job;
  const rank = job.failure?.rank ?? null;
  const size =
    job.state === 'Starting' && running < nodes
      ? `${count(running)} of ${plural(nodes, 'node')} running`
      : rank !== null && nodes * procs > 1
        ? `rank ${rank} of ${count(nodes * procs)} failed first`
        : `${plural(nodes, 'node')} × ${procs}`;
  const checkpoint = job.checkpoint === null ? '' : `checkpoint ${job.checkpoint}`;
  return [size, job.runtime, job.place, checkpoint].filter(fact => fact !== '');
}

/** How far it is: `72 %` and `0:41 left`; steps where no total is known; the whole time at the end. */
export function howFar(job: Job): string[] {
  if (job.state === 'Complete' || job.state === 'Failed') {
    const took =
      job.finished === null
        ? []
        : [`${job.state === 'Failed' ? 'after' : 'took'} ${duration(job.finished - job.created)}`];
    return job.state === 'Failed' && job.progress !== null ? [percent(job.progress), ...took] : took;
  }
  if (job.progress !== null) {
    const left = job.state === 'Running' && job.eta !== null ? [`${clock(job.eta)} left`] : [];
    return [percent(job.progress), ...left];
  }
  return job.step === null ? [] : [`step ${count(job.step)}`];
}

/** What a progress bar says aloud. */
export function progressText(job: Job): string {
  const steps = job.step === null || !job.total ? '' : `step ${count(job.step)} of ${count(job.total)}`;
  return [job.state, ...howFar(job), steps].filter(part => part !== '').join(', ');
}

/** Why the job is where it is, unless the failure says it better. */
export function reason(job: Job): string {
  return job.failure === null ? job.reason : '';
}

/** The rank to blame, unless the headline names it. */
export function blamed(failure: Failure): string {
  const rank = failure.rank === null ? '' : `rank ${failure.rank}`;
  return failure.headline.includes(rank) ? '' : rank;
}

export type Mark = 'done' | 'now' | 'failed' | 'halted';

/** One phase of the timeline. */
export interface Stretch {
  name: string;
  mark: Mark;
  /** Null where nobody wrote down when it ended. */
  seconds: number | null;
}

/** The timeline at a moment of the kernel's clock. The last phase carries the job's fate. */
export function timeline(job: Job, now: number): Stretch[] {
  return job.phases.map((phase, index) => {
    const last = index === job.phases.length - 1;
    const end = phase.ended ?? job.finished ?? (isLive(job.state) ? now : null);
    let mark: Mark = 'done';
    if (last && job.state === 'Failed') {
      mark = 'failed';
    } else if (phase.ended === null && job.state !== 'Complete') {
      mark = isLive(job.state) ? 'now' : 'halted';
    }
    return { name: phase.name, mark, seconds: end === null ? null : Math.max(0, end - phase.started) };
  });
}
