/** Actions on a job: when each is possible, and its texts. */
import { isLive } from './jobText';
import type { Job, StateName } from '../jobTypes';
import type { Action } from './views';
import { trans } from '../i18n';

export interface ActionTexts {
  offer: string;
  doing: string;
  failed: string;
  /** The confirmation of a destructive action: question, label to confirm, label to cancel. */
  confirmation?: [question: string, yes: string, no: string];
}

const TEXTS: Record<Action, () => ActionTexts> = {
  stop: () => ({
    offer: trans.__('Stop'),
    doing: trans.__('Stopping…'),
    failed: trans.__('Not stopped'),
    confirmation: [trans.__('Stop this job?'), trans.__('Stop job'), trans.__('Keep running')]
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
    confirmation: [
      trans.__('Delete it with its logs and curves?'),
      trans.__('Delete job'),
      trans.__('Keep it')
    ]
  })
};

export const actionTexts = (action: Action): ActionTexts => TEXTS[action]();

/** Returns the confirmation of an action; stopping a job without a checkpoint has its own. */
export function confirmationOf(
  action: Action,
  job: Pick<Job, 'state' | 'checkpoint'>
): ActionTexts['confirmation'] {
  const { confirmation: ask } = actionTexts(action);
  if (ask === undefined || action !== 'stop' || job.checkpoint !== null || job.state !== 'Running') {
    return ask;
  }
  const question = trans.__('Stop this job? No checkpoint was saved, so resuming starts over.');
  return [question, ask[1], ask[2]];
}

/** Whether an action is possible in a state: a job may end while its confirmation is open. */
export function isPossible(action: Action, state: StateName): boolean {
  return primaryAction(state) === action || otherActions(state).includes(action);
}

/** Returns the action offered first. */
export function primaryAction(state: StateName): Action | null {
  if (state === 'Deleted') {
    return null;
  }
  if (state === 'Stopped' || state === 'Suspended') {
    return 'resume';
  }
  return isLive(state) ? 'stop' : 'rerun';
}

/** Returns the other possible actions. */
export function otherActions(state: StateName): Action[] {
  const all: Action[] = state === 'Deleted' ? [] : ['rerun', 'delete'];
  return all.filter(action => action !== primaryAction(state));
}

/** Describes how a rerun differs from the original job; empty if it does not. */
export const rerunNote = (differences: readonly string[]): string =>
  differences.length === 0 ? '' : trans.__('Differences: %1', differences.join(' '));

export type CopyForm = 'magic' | 'yaml' | 'sdk';

/** The forms in which a job can be copied. */
export const copyForms = (): [form: CopyForm, name: string][] => [
  ['magic', trans.__('Copy as %1 cell', '%%trainjob')],
  ['yaml', trans.__('Copy as YAML')],
  ['sdk', trans.__('Copy as SDK code')]
];
