/** The MIME types of a job's saved output, and their content. */
import type { ReadonlyPartialJSONObject, ReadonlyPartialJSONValue } from '@lumino/coreutils';

import { textField } from '../../core/textField';

export const JOB_MIME = 'application/vnd.jupyter-trainjob.v1+json';
export const VIEW_MIME = 'application/vnd.jupyter.widget-view+json';
const HTML_MIME = 'text/html';
const TEXT_MIME = 'text/plain';

/** A saved output: the job and view that it shows, and its static representation (a MIME type and its data). */
export interface SavedOutput {
  /** Empty: all jobs of the namespace. */
  readonly uid: string;
  readonly context: string;
  readonly namespace: string;
  /** The code that shows it live in a new kernel. */
  readonly showCommand: string;
  readonly viewId: string;
  readonly type: string;
  readonly picture: ReadonlyPartialJSONValue;
}

/** Reads an output; null if it does not show a job. */
export function readOutput(data: ReadonlyPartialJSONObject): SavedOutput | null {
  const job = data[JOB_MIME];
  if (typeof job !== 'object' || job === null) {
    return null;
  }
  const type = data[HTML_MIME] === undefined ? TEXT_MIME : HTML_MIME;
  return {
    uid: textField(job, 'uid'),
    context: textField(job, 'context'),
    namespace: textField(job, 'namespace'),
    showCommand: commandOf(job),
    viewId: textField(data[VIEW_MIME], 'model_id'),
    type,
    picture: data[type] ?? ''
  };
}

/** Whether two outputs are the same view of the same job. */
export function isSameView(one: SavedOutput, other: SavedOutput): boolean {
  return one.viewId !== '' && one.viewId === other.viewId && one.uid === other.uid;
}

function commandOf(job: object): string {
  const name = textField(job, 'name');
  return name === ''
    ? 'panel()'
    : [
        `%trainjob show ${name}`,
        ...option(job, 'context', 'trainjob-local'),
        ...option(job, 'namespace', 'default')
      ].join(' ');
}

/** A command-line option, unless it has its default value. */
function option(job: unknown, option: string, fallback: string): string[] {
  const value = textField(job, option);
  return value === '' || value === fallback ? [] : [`--${option} ${value}`];
}
