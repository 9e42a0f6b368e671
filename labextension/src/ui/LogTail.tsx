import { useLayoutEffect, useRef, useState } from 'react';
import type { ReactElement } from 'react';

import { timeOfDay } from '../core/format';
import type { LogLine } from '../core/types';

/** Nearer to the end than this counts as being there. */
const SLACK_PIXELS = 8;

/** The newest lines of all ranks. Follows, until somebody scrolls up to read. */
export function LogTail({ lines }: { lines: readonly LogLine[] }): ReactElement | null {
  const box = useRef<HTMLDivElement>(null);
  const [following, follow] = useState(true);

  useLayoutEffect(() => {
    if (following && box.current !== null) {
      box.current.scrollTop = box.current.scrollHeight;
    }
  }, [lines, following]);

  if (lines.length === 0) {
    return null;
  }
  const onScroll = (): void => {
    const node = box.current;
    if (node !== null) {
      follow(node.scrollHeight - node.scrollTop - node.clientHeight <= SLACK_PIXELS);
    }
  };
  return (
    <div className="tj-log">
      <div
        className="tj-log-lines"
        ref={box}
        onScroll={onScroll}
        role="region"
        aria-label="Log of all ranks"
        tabIndex={0}
      >
        {lines.map((line, i) => (
          <div key={i} className="tj-log-line">
            <span className="tj-log-time">{timeOfDay(line.time)}</span>{' '}
            <span className="tj-log-rank">
              <span className="tj-log-word">rank </span>
              {line.rank}
            </span>{' '}
            <span className="tj-log-text">{line.text}</span>
          </div>
        ))}
      </div>
      {!following && (
        <button type="button" className="tj-button tj-log-follow" onClick={() => follow(true)}>
          Follow
        </button>
      )}
    </div>
  );
}
