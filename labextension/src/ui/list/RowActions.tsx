/** The actions of a job in its list row. Destructive actions ask for confirmation in the row. */
import { useRef, useState } from 'react';
import type { ReactElement } from 'react';

import {
  isPossible,
  otherActions,
  primaryAction,
  confirmationOf,
  actionTexts
} from '../../core/jobs/jobActions';
import type { Job, JobRow } from '../../core/jobTypes';
import type { Action } from '../../core/jobs/views';
import { trans } from '../../core/i18n';
import { Question } from '../controls/Question';
import { useFocusRestore } from '../controls/useFocusRestore';

/** The facts of a job that the confirmation of an action depends on. */
export type ConfirmationFacts = Pick<Job, 'state' | 'checkpoint'>;

export interface RowActionsProps {
  row: JobRow;
  /** Returns a message for the user, or an empty string; rejects with an `Error` whose message is shown to the user. */
  onAct: (action: Action) => Promise<string>;
  /** Loads the facts for the confirmation; without it, they are taken from the row. */
  loadFacts?: ((action: Action) => Promise<ConfirmationFacts>) | undefined;
  /** Whether the Tab key stops at the buttons. */
  isStop?: boolean;
}

type Doing =
  | { is: 'idle' }
  | { is: 'loading' | 'busy'; action: Action }
  | { is: 'asking'; action: Action; facts: ConfirmationFacts }
  | { is: 'refused' | 'noted'; message: string };

const IDLE: Doing = { is: 'idle' };

/** The buttons are visible while the row has the pointer or the focus; a confirmation or message until it is closed. */
export function RowActions({ row, onAct, loadFacts, isStop = true }: RowActionsProps): ReactElement | null {
  const [doing, setDoing] = useState<Doing>(IDLE);
  const bar = useRef<HTMLSpanElement>(null);
  useFocusRestore(bar, '.tj-button:first-of-type');

  const act = (action: Action): void => {
    setDoing({ is: 'busy', action });
    onAct(action).then(
      message => setDoing(message === '' ? IDLE : { is: 'noted', message }),
      (error: Error) =>
        setDoing({ is: 'refused', message: `${actionTexts(action).failed}: ${error.message}` })
    );
  };
  const start = (action: Action): void => {
    if (actionTexts(action).confirmation === undefined) {
      act(action);
    } else if (loadFacts === undefined) {
      setDoing({ is: 'asking', action, facts: row });
    } else {
      setDoing({ is: 'loading', action });
      void loadFacts(action).then(facts => setDoing({ is: 'asking', action, facts }));
    }
  };
  // The confirmation is closed when the action is no longer possible: the job may end while it is open.
  if (doing.is === 'asking' && !isPossible(doing.action, row.state)) {
    setDoing(IDLE);
  }
  if (doing.is === 'asking') {
    const { action, facts } = doing;
    const texts = confirmationOf(action, facts) ?? ['', '', ''];
    return (
      <span className="tj-row-actions tj-row-actions-open" ref={bar}>
        <Question texts={texts} onYes={() => act(action)} onNo={() => setDoing(IDLE)} />
      </span>
    );
  }
  const first = primaryAction(row.state);
  const offered = [...(first === null ? [] : [first]), ...otherActions(row.state)];
  if (offered.length === 0) {
    return null;
  }
  const isWaiting = doing.is === 'busy' || doing.is === 'loading';
  return (
    <span
      className={`tj-row-actions${doing.is === 'idle' || doing.is === 'loading' ? '' : ' tj-row-actions-open'}`}
      role="group"
      aria-label={trans.__('Actions for %1', row.name)}
      ref={bar}
    >
      <span role="status" className={doing.is === 'refused' ? 'tj-tone-bad' : undefined}>
        {'message' in doing && doing.message}
      </span>
      {(doing.is === 'busy' ? [doing.action] : offered).map(action => {
        const { confirmation, doing: busyText, offer } = actionTexts(action);
        return (
          <button
            key={action}
            type="button"
            className="tj-button"
            tabIndex={isStop ? 0 : -1}
            aria-disabled={isWaiting}
            onClick={() => !isWaiting && start(action)}
          >
            {doing.is === 'busy'
              ? busyText
              : offer + (confirmation === undefined || action === first ? '' : '…')}
          </button>
        );
      })}
    </span>
  );
}
