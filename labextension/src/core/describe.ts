/** What is said about a job: small pure functions from the snapshot to words. */
import { clock, count, duration, nodesText, percent } from './format';
import type { Failure, Job, StateName } from './types';
import { type Texts, textOf, trans } from './words';

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

const STATES: Texts<StateName> = {
  Queued: () => trans.__('Queued'),
  Starting: () => trans.__('Starting'),
  Running: () => trans.__('Running'),
  Stopped: () => trans.__('Stopped'),
  Suspended: () => trans.__('Suspended'),
  Complete: () => trans.__('Complete'),
  Failed: () => trans.__('Failed'),
  Deleted: () => trans.__('Deleted')
};

/** A state in the user's language. */
export const stateText = (state: StateName): string => textOf(STATES, state);

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
      ? trans._n('%2 of %3 node running', '%2 of %3 nodes running', nodes, count(running), count(nodes))
      : rank !== null && nodes * procs > 1
        ? trans.__('rank %1 of %2 failed first', rank, count(nodes * procs))
        : `${nodesText(nodes)} × ${procs}`;
  const checkpoint = job.checkpoint === null ? '' : trans.__('checkpoint %1', job.checkpoint);
  return [size, job.runtime, job.place, checkpoint].filter(fact => fact !== '');
}

/** How far it is: `72 %` and `0:41 left`; steps where no total is known; the whole time at the end. */
export function howFar(job: Job): string[] {
  if (job.state === 'Complete' || job.state === 'Failed') {
    const length = job.finished === null ? null : duration(job.finished - job.created);
    const took =
      length === null
        ? []
        : [job.state === 'Failed' ? trans.__('after %1', length) : trans.__('took %1', length)];
    return job.state === 'Failed' && job.progress !== null ? [percent(job.progress), ...took] : took;
  }
  if (job.progress !== null) {
    const left = job.state === 'Running' && job.eta !== null ? [trans.__('%1 left', clock(job.eta))] : [];
    return [percent(job.progress), ...left];
  }
  return job.step === null ? [] : [trans.__('step %1', count(job.step))];
}

/** What a progress bar says aloud. */
export function progressText(job: Job): string {
  const steps =
    job.step === null || !job.total ? '' : trans.__('step %1 of %2', count(job.step), count(job.total));
  return [stateText(job.state), ...howFar(job), steps].filter(part => part !== '').join(', ');
}

/** Why the job is where it is, unless the failure says it better. */
export function reason(job: Job): string {
  return job.failure === null ? job.reason : '';
}

/** The rank to blame, unless the headline names it. */
export function blamed({ rank, headline }: Failure): string {
  return rank === null || headline.includes(`rank ${rank}`) ? '' : trans.__('rank %1', rank);
}

const PHASES: Texts<string> = {
  queued: () => trans.__('queued'),
  scheduling: () => trans.__('scheduling'),
  image: () => trans.__('image'),
  starting: () => trans.__('starting'),
  rendezvous: () => trans.__('rendezvous'),
  training: () => trans.__('training')
};

/** A phase in the user's language. */
export const phaseText = (name: string): string => textOf(PHASES, name);

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
