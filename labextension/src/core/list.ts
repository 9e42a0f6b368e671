/** A list of jobs, as it is read: those that run, wait, were stopped, are over. */
import { stateText } from './describe';
import { ago, clock, duration, nodesText, percent, value } from './format';
import type { JobRow, StateName } from './types';
import { trans } from './words';

const GROUPS: [name: () => string, states: readonly StateName[]][] = [
  [() => trans.__('Running'), ['Running', 'Starting']],
  [() => trans.__('Waiting'), ['Queued']],
  [() => trans.__('Stopped'), ['Stopped', 'Suspended']],
  [() => trans.__('Finished'), ['Complete', 'Failed', 'Deleted']]
];

/** The name of a state's group. */
export const groupText = (state: StateName): string =>
  GROUPS.find(([, states]) => states.includes(state))?.[0]() ?? '';

/** States that the name of their group says well enough. */
const PLAIN = new Set<StateName>(['Running', 'Queued', 'Stopped', 'Complete']);

/** The groups that have jobs; the newest first, of finished ones by when they finished. */
export function grouped(rows: readonly JobRow[]): [name: string, rows: JobRow[]][] {
  const at = (row: JobRow): number => row.finished ?? row.created;
  return GROUPS.map(([name, states]): [string, JobRow[]] => [
    name(),
    rows.filter(row => states.includes(row.state)).sort((a, b) => at(b) - at(a))
  ]).filter(([, found]) => found.length > 0);
}

/** What there is to say beside the name, and when or how far at the end; `now` in unix seconds. */
export function summary(row: JobRow, now: number): [said: string, far: string] {
  const metric = row.metric === null ? '' : `${row.metric[0]} ${value(row.metric[1])}`;
  const word = row.reason || (PLAIN.has(row.state) ? '' : stateText(row.state));
  const far = joined(...times(row, now));
  if (row.finished !== null) {
    const took = duration(row.finished - row.created);
    return [joined(metric, word || `${nodesText(row.nodes)} · ${took}`), far];
  }
  return [joined(metric, word || nodesText(row.nodes)), far];
}

/** How far it is and how long it takes yet; or else since when it is what it is. */
export function times(row: JobRow, now: number): [far: string, left: string] {
  if (row.finished !== null) {
    return [ago(now - row.finished), ''];
  }
  const share = row.progress === null ? '' : percent(row.progress);
  const left = row.state === 'Running' && row.eta !== null ? trans.__('%1 left', clock(row.eta)) : '';
  return share === '' && left === '' ? [ago(now - row.created), ''] : [share, left];
}

function joined(...parts: string[]): string {
  return parts.filter(part => part !== '').join(' · ');
}
