import { useEffect, useLayoutEffect, useRef, useState } from 'react';
import type { KeyboardEvent, ReactElement } from 'react';

import type { Stopping } from '../core/types';

/** After this, a kernel that has not answered is busy with a cell. */
const PATIENCE_MS = 4000;

export interface StopButtonProps {
  name: string;
  stopping: Stopping;
  onStop: () => void;
}

/** Asks once, in place. Escape and "Keep running" give the focus back to where it was. */
export function StopButton({ name, stopping, onStop }: StopButtonProps): ReactElement {
  const [asking, setAsking] = useState(false);
  const first = useRef<HTMLButtonElement>(null);
  const keep = useRef<HTMLButtonElement>(null);
  const wasAsking = useRef(false);

  useLayoutEffect(() => {
    if (asking) {
      keep.current?.focus();
    } else if (wasAsking.current) {
      first.current?.focus();
    }
    wasAsking.current = asking;
  }, [asking]);

  if (stopping.is === 'asked') {
    return <Waiting />;
  }
  if (!asking) {
    return (
      <span className="tj-stop">
        {stopping.is === 'refused' && <span className="tj-tone-bad">Not stopped: {stopping.message}</span>}
        <button ref={first} type="button" className="tj-button" onClick={() => setAsking(true)}>
          Stop
        </button>
      </span>
    );
  }
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Escape') {
      event.stopPropagation();
      setAsking(false);
    }
  };
  return (
    <span className="tj-stop tj-asking" role="group" aria-label={`Stop ${name}?`} onKeyDown={onKeyDown}>
      <span>Stop all ranks?</span>
      <button
        type="button"
        className="tj-button tj-button-bad"
        onClick={() => {
          setAsking(false);
          onStop();
        }}
      >
        Stop job
      </button>
      <button ref={keep} type="button" className="tj-button" onClick={() => setAsking(false)}>
        Keep running
      </button>
    </span>
  );
}

function Waiting(): ReactElement {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLate(true), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, []);
  return (
    <span className="tj-stop">
      {late && <span className="tj-quiet">The kernel is busy: it stops the job when its cell is done.</span>}
      <button type="button" className="tj-button" disabled>
        Stopping…
      </button>
    </span>
  );
}
