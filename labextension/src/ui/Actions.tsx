/** What can be done to the job: the likely thing as a button, the rest in a menu. What takes something away asks once. */
import { useLayoutEffect, useRef, useState } from 'react';
import type { ReactElement } from 'react';

import { type Form, copies, others, primary, question, wordsOf } from '../core/actions';
import type { Answer } from '../core/protocol';
import type { Action, Job, Source } from '../core/types';
import { trans } from '../core/words';
import { CopyBox } from './CopyBox';
import { Details } from './Details';
import { Menu } from './Menu';
import { Question } from './Question';
import { useView } from './useView';

export interface ActionsProps {
  job: Job;
  source: Source;
  onClose?: (() => void) | undefined;
}

type Copy =
  | { is: 'idle' | 'asked' | 'copied' }
  | { is: 'refused' | 'unknown' | 'shown'; text: string }
  | { is: 'details'; got: Answer<'details'> };

export function Actions({ job, source, onClose }: ActionsProps): ReactElement {
  const { acting, late } = useView(source);
  const [asking, ask] = useState<Action | null>(null);
  const [copy, setCopy] = useState<Copy>({ is: 'idle' });
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
    if (wordsOf(action).ask === undefined) {
      source.act(action);
    } else {
      ask(action);
    }
  };
  const copyAs = (form: Form): void => {
    setCopy({ is: 'asked' });
    source.ask('text', { form }).then(
      ({ text }) =>
        toClipboard(text).then(
          () => setCopy({ is: 'copied' }),
          () => setCopy({ is: 'shown', text })
        ),
      (error: Error) => setCopy({ is: 'refused', text: error.message })
    );
  };

  const lookUp = (): void => {
    setCopy({ is: 'asked' });
    source.ask('details', {}).then(
      got => setCopy({ is: 'details', got }),
      (error: Error) => setCopy({ is: 'unknown', text: error.message })
    );
  };
  const closeDetails = (): void => {
    setCopy({ is: 'idle' });
    bar.current?.querySelector<HTMLElement>('[aria-haspopup]')?.focus();
  };

  const words = asking === null ? undefined : question(asking, job);
  if (asking !== null && words !== undefined) {
    return (
      <span className="tj-actions" ref={bar}>
        <Question
          words={words}
          onYes={() => {
            ask(null);
            source.act(asking);
          }}
          onNo={() => ask(null)}
        />
      </span>
    );
  }
  const busy = acting.is === 'asked' || acting.is === 'done';
  const first = busy ? acting.what : primary(job.state);
  return (
    <span className="tj-actions" ref={bar}>
      <span className="tj-actions-say" role="status">
        {late && (
          <span className="tj-quiet">
            {trans.__('No answer yet: a kernel that is busy answers when its cell is done.')}
          </span>
        )}
        {acting.is === 'refused' && (
          <span className="tj-tone-bad">
            {wordsOf(acting.what).failed}: {acting.message}
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
          {busy ? wordsOf(first).doing : wordsOf(first).offer}
        </button>
      )}
      <Menu
        label={trans.__('More actions for %1', job.name)}
        items={[
          ...(busy ? [] : others(job.state)).map(action => ({
            name: wordsOf(action).offer + (wordsOf(action).ask ? '…' : ''),
            onChoose: () => start(action)
          })),
          ...(job.state === 'Deleted' ? [] : [{ name: trans.__('Details'), onChoose: lookUp }]),
          ...copies().map(([form, name]) => ({ name, onChoose: () => copyAs(form) })),
          ...(onClose ? [{ name: trans.__('Close'), onChoose: onClose }] : [])
        ]}
      />
      {copy.is === 'details' && <Details {...copy.got} onClose={closeDetails} />}
      {copy.is === 'shown' && <CopyBox text={copy.text} onClose={() => setCopy({ is: 'idle' })} />}
    </span>
  );
}

/** Rejects where the page may not write to the clipboard, or has none. */
async function toClipboard(text: string): Promise<void> {
  await navigator.clipboard.writeText(text);
}
