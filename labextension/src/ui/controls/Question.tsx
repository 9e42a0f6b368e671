import { useLayoutEffect, useRef } from 'react';
import type { ReactElement } from 'react';

export interface QuestionProps {
  texts: [question: string, yes: string, no: string];
  onYes: () => void;
  onNo: () => void;
}

/** An inline confirmation that focuses the safe choice. Escape cancels. */
export function Question({ texts: [question, yes, no], onYes, onNo }: QuestionProps): ReactElement {
  const harmless = useRef<HTMLButtonElement>(null);
  useLayoutEffect(() => harmless.current?.focus(), []);
  return (
    <span
      className="tj-question"
      role="group"
      aria-label={question}
      onKeyDown={event => {
        if (event.key === 'Escape') {
          event.stopPropagation();
          onNo();
        }
      }}
    >
      <span>{question}</span>
      <button type="button" className="tj-button tj-button-bad" onClick={onYes}>
        {yes}
      </button>
      <button ref={harmless} type="button" className="tj-button" onClick={onNo}>
        {no}
      </button>
    </span>
  );
}
