/** Confirmation dialog of destructive actions, where there is no card to show the question in. */
import { Dialog, showDialog } from '@jupyterlab/apputils';

import { confirmationOf } from '../../core/jobs/jobActions';
import type { Stream, NamespaceRef } from '../../core/jobs/jobStream';
import type { Job, JobRow } from '../../core/jobTypes';
import type { Action } from '../../core/jobs/views';
import type { ConfirmationFacts } from '../../ui/list/RowActions';

/** Timeout for fetching the job; after it, the confirmation is shown without its checkpoint. */
const FETCH_TIMEOUT_MS = 3000;

/** Asks the same question as the job's card; returns whether the user confirmed. */
export async function confirmAction(
  stream: Stream,
  action: Action,
  row: JobRow,
  ref: NamespaceRef
): Promise<boolean> {
  const texts = confirmationOf(action, await confirmationFacts(stream, action, row, ref));
  if (texts === undefined) {
    return true;
  }
  const [body, yes, no] = texts;
  const { button } = await showDialog({
    title: row.name,
    body,
    buttons: [Dialog.cancelButton({ label: no }), Dialog.warnButton({ label: yes })]
  });
  return button.accept;
}

/** Returns the facts that a confirmation depends on; stopping a job needs its newest checkpoint, which is loaded. */
export async function confirmationFacts(
  stream: Stream,
  action: Action,
  row: JobRow,
  ref: NamespaceRef
): Promise<ConfirmationFacts> {
  if (action !== 'stop' || row.checkpoint !== '') {
    return row;
  }
  return (await fetchJob(stream, row.uid, ref)) ?? row;
}

/** Fetches a job; null after a timeout. */
async function fetchJob(stream: Stream, uid: string, ref: NamespaceRef): Promise<Job | null> {
  const { channel, close } = stream.open({ ...ref, list: false });
  channel.jobs.open(uid);
  const [store] = channel.jobs.view().open;
  let end = (): void => undefined;
  const job = await new Promise<Job | null>(resolve => {
    const check = (): void => {
      const loaded = store?.view().job ?? null;
      if (loaded !== null) {
        resolve(loaded);
      }
    };
    const timer = setTimeout(() => resolve(null), FETCH_TIMEOUT_MS);
    const unsubscribe = store?.subscribe(check);
    end = () => {
      clearTimeout(timer);
      unsubscribe?.();
    };
    check();
  });
  end();
  close();
  return job;
}
