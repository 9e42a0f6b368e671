/** Texts of a job: pure functions of its snapshot. */
import { clock, count, duration, nodesText, percent } from '../format';
import type { Failure, Job, StateName } from '../jobTypes';
import { type Texts, textOf, trans } from '../i18n';

/** The colour of a state; its text and icon carry the same information. */
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

export function stateTone(state: StateName): Tone {
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

/** Whether the job is queued, starting or running: its time advances and it can be stopped. */
export function isLive(state: StateName): boolean {
  return state === 'Queued' || state === 'Starting' || state === 'Running';
}

/** The facts in the head of the card: nodes and processes, attempt, runtime, cluster, checkpoint. */
export function jobFacts(job: Job): string[] {
  const { nodes, procs_per_node: procs, ranks_running: running, nodes_done: done } = job;
  const rank = job.failure?.rank ?? null;
  const size =
    isLive(job.state) && done > 0 && done < nodes
      ? trans.__('%1 of %2 done, %3 running', count(done), nodesText(nodes), count(running))
      : job.state === 'Starting' && running < nodes
        ? trans._n('%2 of %3 node running', '%2 of %3 nodes running', nodes, count(running), count(nodes))
        : rank !== null && nodes * procs > 1
          ? trans.__('rank %1 of %2 failed first', rank, count(nodes * procs))
          : sizeText(nodes, procs);
  const attempt = job.restarts > 0 ? trans.__('attempt %1', count(job.restarts + 1)) : '';
  const checkpoint = job.checkpoint === null ? '' : trans.__('checkpoint %1', job.checkpoint);
  return [size, attempt, job.runtime, job.place, checkpoint].filter(fact => fact !== '');
}

function sizeText(nodes: number, procs: number): string {
  return trans._n('%2, %1 process each', '%2, %1 processes each', procs, nodesText(nodes));
}

/** The progress: `72 %` and `0:41 left`; the step if the total is unknown; the total time at the end. */
export function progressFacts(job: Job): string[] {
  if (job.state === 'Complete' || job.state === 'Failed') {
    const length = job.finished === null ? null : duration(job.finished - job.created);
    const took =
      length === null
        ? []
        : [job.state === 'Failed' ? trans.__('after %1', length) : trans.__('took %1', length)];
    return job.state === 'Failed' && job.progress !== null ? [percent(job.progress), ...took] : took;
  }
  if (job.progress !== null) {
    const remaining =
      job.state === 'Running' && job.eta !== null ? [trans.__('%1 left', clock(job.eta))] : [];
    return [percent(job.progress), ...remaining];
  }
  return job.step === null ? [] : [trans.__('step %1', count(job.step))];
}

/** The accessible text of a progress bar. */
export function progressText(job: Job): string {
  const steps =
    job.step === null || !job.total ? '' : trans.__('step %1 of %2', count(job.step), count(job.total));
  return [stateText(job.state), ...progressFacts(job), steps].filter(part => part !== '').join(', ');
}

/** The reason of the job's state, unless there is a failure to show. */
export function reason(job: Job): string {
  return job.failure === null ? job.reason : '';
}

/** The rank that failed, unless the headline names it. */
export function failedRankText({ rank, headline }: Failure): string {
  return rank === null || headline.includes(`rank ${rank}`) ? '' : trans.__('rank %1', rank);
}

const PHASES: Texts<string> = {
  queued: () => trans.__('queued'),
  scheduling: () => trans.__('scheduling'),
  image: () => trans.__('image'),
  preparing: () => trans.__('preparing'),
  starting: () => trans.__('starting'),
  rendezvous: () => trans.__('rendezvous'),
  training: () => trans.__('training')
};

/** A phase in the user's language. */
export const phaseText = (name: string): string => textOf(PHASES, name);

export type PhaseMark = 'done' | 'now' | 'failed' | 'halted';

/** One phase of the timeline. */
export interface TimelinePhase {
  name: string;
  mark: PhaseMark;
  /** Null if its end was not recorded. */
  seconds: number | null;
}

/** The timeline at a time of the kernel's clock. The last phase carries the job's outcome. */
export function timeline(job: Job, now: number): TimelinePhase[] {
  return job.phases.map((phase, index) => {
    const last = index === job.phases.length - 1;
    const end = phase.ended ?? job.finished ?? (isLive(job.state) ? now : null);
    let mark: PhaseMark = 'done';
    if (last && job.state === 'Failed') {
      mark = 'failed';
    } else if (phase.ended === null && job.state !== 'Complete') {
      mark = isLive(job.state) ? 'now' : 'halted';
    }
    return { name: phase.name, mark, seconds: end === null ? null : Math.max(0, end - phase.started) };
  });
}
