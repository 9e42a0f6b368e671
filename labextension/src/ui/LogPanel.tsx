import { useLayoutEffect, useRef, useState } from 'react';
import type { ReactElement } from 'react';

import { timeOfDay } from '../core/format';
import type { Source } from '../core/types';
import { useView } from './useView';

/** Nearer to the end than this counts as being there. */
const SLACK_PIXELS = 8;

/**
 * The log of all nodes. Follows, until somebody scrolls up to read. With `tail` it is a few lines below other things, without
 * it has the card for itself.
 */
export function LogPanel({ source }: { source: Source; tail: boolean }): ReactElement | null {
  const { log: lines } = useView(source);
  const box = useRef<HTMLDivElement>(null);
  const [following, follow] = useState(true);
  const seen = useRef({ top: 0, height: 0 });
  const any = lines.length > 0;

  useLayoutEffect(() => {
    const node = box.current;
    if (!following || node === null) {
      return;
    }
    const toEnd = (): void => {
      node.scrollTop = node.scrollHeight;
    };
    toEnd();
    const resized = new ResizeObserver(toEnd);
    resized.observe(node);
    return () => resized.disconnect();
  }, [lines, following, any]);

  if (!any) {
    return null;
  }
  const onScroll = (): void => {
    const node = box.current;
    if (node === null) {
      return;
    }
    const { top, height } = seen.current;
    seen.current = { top: node.scrollTop, height: node.scrollHeight };
    if (node.scrollHeight - node.scrollTop - node.clientHeight <= SLACK_PIXELS) {
      follow(true);
    } else if (node.scrollTop < top && node.scrollHeight === height) {
      follow(false); // Somebody scrolled up: nothing came or was wrapped anew.
    }
  };
  return (
    <div className="tj-log">
      <div
        className="tj-log-lines"
        ref={box}
        onScroll={onScroll}
        role="region"
        aria-label="Log of all nodes"
        tabIndex={0}
      >
        {lines.map((line, i) => (
          <div key={i} className="tj-log-line">
            <span className="tj-log-time">{timeOfDay(line.time)}</span>{' '}
            <span className="tj-log-rank">
              <span className="tj-log-word">node </span>
              {line.node}
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
