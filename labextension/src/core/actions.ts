/** What can be done to a job, and in which words it is offered, asked about, done and refused. */
import { isLive } from './describe';
import type { Action, Job, StateName } from './types';

export interface Words {
  offer: string;
  doing: string;
  failed: string;
  /** Asked once, in place, where the action takes something away: the question, to do it, to leave it. */
  ask?: [question: string, yes: string, no: string];
}

export const WORDS: Record<Action, Words> = {
  stop: {
    offer: 'Stop',
    doing: 'Stopping…',
    failed: 'Not stopped',
    ask: ['Stop all ranks?', 'Stop job', 'Keep running']
  },
  resume: { offer: 'Resume', doing: 'Resuming…', failed: 'Not resumed' },
  rerun: { offer: 'Rerun', doing: 'Submitting…', failed: 'Not rerun' },
  delete: {
    offer: 'Delete',
    doing: 'Deleting…',
    failed: 'Not deleted',
    ask: ['Delete it with its logs and curves?', 'Delete job', 'Keep it']
  }
};

/** What is asked before an action; a job without a checkpoint loses more by being stopped. */
export function question(action: Action, job: Job): Words['ask'] {
  const { ask } = WORDS[action];
  if (ask === undefined || action !== 'stop' || job.checkpoint !== null || job.state !== 'Running') {
    return ask;
  }
  return [`${ask[0]} No checkpoint was written: it could only begin anew.`, ask[1], ask[2]];
}

/** The one action that is offered first. */
export function primary(state: StateName): Action | null {
  if (state === 'Deleted') {
    return null;
  }
  if (state === 'Stopped' || state === 'Suspended') {
    return 'resume';
  }
  return isLive(state) ? 'stop' : 'rerun';
}

/** The others that make sense. */
export function others(state: StateName): Action[] {
  const all: Action[] = state === 'Deleted' ? [] : ['rerun', 'delete'];
  return all.filter(action => action !== primary(state));
}

export const COPIES = [
  ['magic', 'Copy as %%trainjob cell'],
  ['yaml', 'Copy as YAML'],
  ['sdk', 'Copy as SDK code']
] as const;
export type Form = (typeof COPIES)[number][0];
