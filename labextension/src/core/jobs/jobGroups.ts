/** Groups of a job list: running, waiting, stopped, finished. */
import { stateText } from './jobText';
import { ago, clock, duration, nodesText, percent, value } from '../format';
import type { JobRow, StateName } from '../jobTypes';
import { trans } from '../i18n';

const GROUPS: [name: () => string, states: readonly StateName[]][] = [
  [() => trans.__('Running'), ['Running', 'Starting']],
  [() => trans.__('Waiting'), ['Queued']],
  [() => trans.__('Stopped'), ['Stopped', 'Suspended']],
  [() => trans.__('Finished'), ['Complete', 'Failed', 'Deleted']]
];

/** The name of a state's group. */
export const groupText = (state: StateName): string =>
  GROUPS.find(([, states]) => states.includes(state))?.[0]() ?? '';

/** States that the name of their group implies. */
const IMPLIED_BY_GROUP = new Set<StateName>(['Running', 'Queued', 'Stopped', 'Complete']);

/** The groups that have jobs. Newest jobs first, finished ones by the time they finished; jobs of the same time by name. */
export function groupRows(rows: readonly JobRow[]): [name: string, rows: JobRow[]][] {
  const at = (row: JobRow): number => row.finished ?? row.created;
  return GROUPS.map(([name, states]): [string, JobRow[]] => [
    name(),
    rows
      .filter(row => states.includes(row.state))
      .sort((a, b) => at(b) - at(a) || a.name.localeCompare(b.name))
  ]).filter(([, members]) => members.length > 0);
}

/** Returns the summary of a row, and its time or progress; `now` in unix seconds. */
export function rowSummary(row: JobRow, now: number): [summary: string, progress: string] {
  const metric = row.metric === null ? '' : `${row.metric[0]} ${value(row.metric[1])}`;
  const status = row.reason || (IMPLIED_BY_GROUP.has(row.state) ? '' : stateText(row.state));
  const progress = joined(...rowTimes(row, now));
  if (row.finished !== null) {
    const took = duration(row.finished - row.created);
    return [joined(metric, status || `${nodesText(row.nodes)} · ${took}`), progress];
  }
  return [joined(metric, status || nodesText(row.nodes)), progress];
}

/** Returns the progress and the remaining time, or else the time since the job was created or finished. */
export function rowTimes(row: JobRow, now: number): [progress: string, remaining: string] {
  if (row.finished !== null) {
    return [ago(now - row.finished), ''];
  }
  const share = row.progress === null ? '' : percent(row.progress);
  const remaining = row.state === 'Running' && row.eta !== null ? trans.__('%1 left', clock(row.eta)) : '';
  return share === '' && remaining === '' ? [ago(now - row.created), ''] : [share, remaining];
}

function joined(...parts: string[]): string {
  return parts.filter(part => part !== '').join(' · ');
}
