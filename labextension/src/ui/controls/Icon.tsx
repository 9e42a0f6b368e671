/** The icon of a state, always beside its text. `jupyter_trainjob/rendering/picture.py` draws the same shapes. */
import type { ReactElement } from 'react';

import type { PhaseMark } from '../../core/jobs/jobText';
import type { StateName } from '../../core/jobTypes';

export type Shape = 'ring' | 'half' | 'check' | 'cross' | 'square' | 'bars' | 'dash';

const STATES: Record<StateName, Shape> = {
  Queued: 'ring',
  Starting: 'half',
  Running: 'half',
  Stopped: 'square',
  Suspended: 'bars',
  Complete: 'check',
  Failed: 'cross',
  Deleted: 'dash'
};
const MARKS: Record<PhaseMark, Shape> = { done: 'check', now: 'half', failed: 'cross', halted: 'square' };

export function StateIcon({ state }: { state: StateName }): ReactElement {
  return <Icon shape={STATES[state]} />;
}

export function MarkIcon({ mark }: { mark: PhaseMark }): ReactElement {
  return <Icon shape={MARKS[mark]} />;
}

function Icon({ shape }: { shape: Shape }): ReactElement {
  return (
    <svg className={`tj-icon tj-icon-${shape}`} viewBox="0 0 12 12" aria-hidden="true">
      {shape === 'ring' && <circle cx="6" cy="6" r="4.6" />}
      {shape === 'half' && <circle cx="6" cy="6" r="4.6" />}
      {shape === 'half' && <path className="tj-icon-fill" d="M6 1.4a4.6 4.6 0 0 0 0 9.2z" />}
      {shape === 'check' && <path d="M2 6.6 4.8 9.4 10 3" />}
      {shape === 'cross' && <path d="M2.8 2.8l6.4 6.4M9.2 2.8l-6.4 6.4" />}
      {shape === 'square' && <path className="tj-icon-fill" d="M2.5 2.5h7v7h-7z" />}
      {shape === 'bars' && <path d="M4.2 2.6v6.8M7.8 2.6v6.8" />}
      {shape === 'dash' && <path d="M2.6 6h6.8" />}
    </svg>
  );
}
