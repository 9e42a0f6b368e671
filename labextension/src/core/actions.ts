/** What can be done to a job, and in which words it is offered, asked about, done and refused. */
import { isLive } from './describe';
import type { Action, Job, StateName } from './types';
import { trans } from './words';

export interface Words {
  offer: string;
  doing: string;
  failed: string;
  /** Asked once, in place, where the action takes something away: the question, to do it, to leave it. */
  ask?: [question: string, yes: string, no: string];
}

const WORDS: Record<Action, () => Words> = {
  stop: () => ({
    offer: trans.__('Stop'),
    doing: trans.__('Stopping…'),
    failed: trans.__('Not stopped'),
    ask: [trans.__('Stop all ranks?'), trans.__('Stop job'), trans.__('Keep running')]
  }),
  resume: () => ({
    offer: trans.__('Resume'),
    doing: trans.__('Resuming…'),
    failed: trans.__('Not resumed')
  }),
  rerun: () => ({ offer: trans.__('Rerun'), doing: trans.__('Submitting…'), failed: trans.__('Not rerun') }),
  delete: () => ({
    offer: trans.__('Delete'),
    doing: trans.__('Deleting…'),
    failed: trans.__('Not deleted'),
    ask: [trans.__('Delete it with its logs and curves?'), trans.__('Delete job'), trans.__('Keep it')]
  })
};

export const wordsOf = (action: Action): Words => WORDS[action]();

/** What is asked before an action; a job without a checkpoint loses more by being stopped. */
export function question(action: Action, job: Job): Words['ask'] {
  const { ask } = wordsOf(action);
  if (ask === undefined || action !== 'stop' || job.checkpoint !== null || job.state !== 'Running') {
    return ask;
  }
  const all = trans.__('Stop all ranks? No checkpoint was written: it could only begin anew.');
  return [all, ask[1], ask[2]];
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

export type Form = 'magic' | 'yaml' | 'sdk';

/** The forms in which a job can be copied. */
export const copies = (): [form: Form, name: string][] => [
  ['magic', trans.__('Copy as %1 cell', '%%trainjob')],
  ['yaml', trans.__('Copy as YAML')],
  ['sdk', trans.__('Copy as SDK code')]
];
