/** The actions of a job: the primary one as a button, the others in a menu. Destructive actions ask for confirmation. */
import { useLayoutEffect, useRef, useState } from 'react';
import type { ReactElement } from 'react';

import {
  type CopyForm,
  copyForms,
  isPossible,
  otherActions,
  primaryAction,
  confirmationOf,
  actionTexts
} from '../../core/jobs/jobActions';
import type { Answer } from '../../core/protocol/messages';
import type { Job } from '../../core/jobTypes';
import type { Action, JobSource } from '../../core/jobs/views';
import { trans } from '../../core/i18n';
import { CopyBox } from '../controls/CopyBox';
import { Details } from './Details';
import { Menu } from '../controls/Menu';
import { Question } from '../controls/Question';
import { useView } from '../controls/useView';

export interface ActionsProps {
  job: Job;
  source: JobSource;
  onClose?: (() => void) | undefined;
}

type MenuResult =
  | { is: 'idle' | 'requested' | 'copied' }
  | { is: 'refused' | 'unknown' | 'shown'; text: string }
  | { is: 'details'; details: Answer<'details'> };

export function Actions({ job, source, onClose }: ActionsProps): ReactElement {
  const { acting, late } = useView(source);
  const [asking, ask] = useState<Action | null>(null);
  const [copy, setCopy] = useState<MenuResult>({ is: 'idle' });
  const bar = useRef<HTMLSpanElement>(null);
  const wasAsking = useRef(false);

  useLayoutEffect(() => {
    if (asking === null && wasAsking.current) {
      bar.current?.querySelector('button')?.focus();
    }
    wasAsking.current = asking !== null;
  }, [asking]);

  const start = (action: Action): void => {
    setCopy({ is: 'idle' });
    if (actionTexts(action).confirmation === undefined) {
      source.act(action);
    } else {
      ask(action);
    }
  };
  const copyAs = (form: CopyForm): void => {
    setCopy({ is: 'requested' });
    source.ask('text', { form }).then(
      ({ text }) =>
        toClipboard(text).then(
          () => setCopy({ is: 'copied' }),
          () => setCopy({ is: 'shown', text })
        ),
      (error: Error) => setCopy({ is: 'refused', text: error.message })
    );
  };

  const loadDetails = (): void => {
    setCopy({ is: 'requested' });
    source.ask('details', {}).then(
      details => setCopy({ is: 'details', details }),
      (error: Error) => setCopy({ is: 'unknown', text: error.message })
    );
  };
  const closeDetails = (): void => {
    setCopy({ is: 'idle' });
    bar.current?.querySelector<HTMLElement>('[aria-haspopup]')?.focus();
  };

  // The confirmation is closed when the action is no longer possible.
  if (asking !== null && !isPossible(asking, job.state)) {
    ask(null);
  }
  const texts = asking === null ? undefined : confirmationOf(asking, job);
  if (asking !== null && texts !== undefined) {
    return (
      <span className="tj-actions" ref={bar}>
        <Question
          texts={texts}
          onYes={() => {
            ask(null);
            source.act(asking);
          }}
          onNo={() => ask(null)}
        />
      </span>
    );
  }
  const busy = acting.is === 'requested' || acting.is === 'done';
  const first = busy ? acting.action : primaryAction(job.state);
  const menuItems = (fits: (action: Action) => boolean): { name: string; onChoose: () => void }[] =>
    (busy ? [] : otherActions(job.state).filter(fits)).map(action => ({
      name: actionTexts(action).offer + (actionTexts(action).confirmation ? '…' : ''),
      onChoose: () => start(action)
    }));
  return (
    <span className="tj-actions" ref={bar}>
      <span className="tj-actions-status" role="status">
        {late && (
          <span className="tj-quiet">
            {trans.__('No answer yet: a kernel that is busy answers when its cell is done.')}
          </span>
        )}
        {acting.is === 'refused' && (
          <span className="tj-tone-bad">
            {actionTexts(acting.action).failed}: {acting.message}
          </span>
        )}
        {acting.is === 'noted' && <span className="tj-quiet">{acting.message}</span>}
        {copy.is === 'refused' && (
          <span className="tj-tone-bad">{trans.__('Not copied: %1', copy.text)}</span>
        )}
        {copy.is === 'unknown' && (
          <span className="tj-tone-bad">{trans.__('No details: %1', copy.text)}</span>
        )}
        {copy.is === 'copied' && <span className="tj-tone-good">{trans.__('Copied')}</span>}
      </span>
      {first !== null && (
        <button
          type="button"
          className="tj-button"
          aria-disabled={busy}
          onClick={() => !busy && start(first)}
        >
          {busy ? actionTexts(first).doing : actionTexts(first).offer}
        </button>
      )}
      <Menu
        label={trans.__('More actions for %1', job.name)}
        items={[
          ...menuItems(action => action !== 'delete'),
          ...(job.state === 'Deleted' ? [] : [{ name: trans.__('Details'), onChoose: loadDetails }]),
          ...copyForms().map(([form, name]) => ({ name, onChoose: () => copyAs(form) })),
          ...(onClose ? [{ name: trans.__('Close'), onChoose: onClose }] : []),
          ...menuItems(action => action === 'delete')
        ]}
      />
      {copy.is === 'details' && <Details {...copy.details} onClose={closeDetails} />}
      {copy.is === 'shown' && <CopyBox text={copy.text} onClose={() => setCopy({ is: 'idle' })} />}
    </span>
  );
}

/** Rejects if the page may not write to the clipboard, or has none. */
async function toClipboard(text: string): Promise<void> {
  await navigator.clipboard.writeText(text);
}
