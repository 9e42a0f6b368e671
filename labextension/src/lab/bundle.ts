/** The forms in which a job's output is saved, by MIME type, and what each holds. */
import type { Bundle } from '@jupyterlab/rendermime';

export const JOB = 'application/vnd.jupyter-trainjob.v1+json';
export const VIEW = 'application/vnd.jupyter.widget-view+json';
const PICTURE = 'text/html';
const TEXT = 'text/plain';

/** Of a saved output: which job and view it shows, and what shows it where nothing is live: a MIME type and its data. */
export interface Saved {
  /** Empty: all jobs of the place. */
  readonly uid: string;
  readonly context: string;
  readonly namespace: string;
  /** The line that shows it live in a kernel that knows nothing. */
  readonly line: string;
  readonly viewId: string;
  readonly type: string;
  readonly picture: unknown;
}

/** Reads an output; null where it is none of ours. */
export function read(data: Bundle): Saved | null {
  const job = data[JOB];
  if (typeof job !== 'object' || job === null) {
    return null;
  }
  const type = data[PICTURE] === undefined ? TEXT : PICTURE;
  return {
    uid: word(job, 'uid'),
    context: word(job, 'context'),
    namespace: word(job, 'namespace'),
    line: line(job),
    viewId: word(data[VIEW], 'model_id'),
    type,
    picture: data[type] ?? ''
  };
}

/** Whether two outputs are the same view of the same job, at whatever moments. */
export function isSameView(one: Saved, other: Saved): boolean {
  return one.viewId !== '' && one.viewId === other.viewId && one.uid === other.uid;
}

function line(job: object): string {
  const name = word(job, 'name');
  return name === ''
    ? 'panel()'
    : [
        `%trainjob show ${name}`,
        ...said(job, 'context', 'trainjob-local'),
        ...said(job, 'namespace', 'default')
      ].join(' ');
}

/** An option, where it is not what goes without saying. */
function said(job: unknown, option: string, usual: string): string[] {
  const value = word(job, option);
  return value === '' || value === usual ? [] : [`--${option} ${value}`];
}

/** A text among what is not certain to be any; empty where it is none. */
export function word(holder: unknown, key: string): string {
  const value = typeof holder === 'object' && holder !== null ? (holder as Bundle)[key] : undefined;
  return typeof value === 'string' ? value : '';
}
