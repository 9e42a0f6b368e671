/** A row of the form: a label, a field, and its problem. */
import type { ReactElement, ReactNode } from 'react';

export interface RowProps {
  /** The id of the field; the element `ID-problem` holds its problem. */
  id: string;
  label: string;
  problem: string;
  children: ReactNode;
}

export function Row({ id, label, problem, children }: RowProps): ReactElement {
  return (
    <div className="tj-form-row">
      <label htmlFor={id}>{label}</label>
      {children}
      <span id={`${id}-problem`} className="tj-form-problem tj-tone-bad">
        {problem}
      </span>
    </div>
  );
}
