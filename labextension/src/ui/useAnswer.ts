/** What the kernel says to a question that changes: one request at a time, the newest question wins. */
import { useEffect, useRef, useState } from 'react';

import type { Bytes } from '../core/protocol';

/** Answers are asked for no faster than this, in bytes a second. */
const PACE = 200_000;
const LEAST_PAUSE_MS = 150;

/**
 * Returns the newest answer to have come, be it to an older question; null without a question (`key` null), before the
 * first answer and where the kernel refused.
 */
export function useAnswer<T extends { buffers: readonly Bytes[] }>(
  key: string | null,
  ask: () => Promise<T>
): { key: string; got: T | null } | null {
  const [answer, set] = useState<{ key: string; got: T | null } | null>(null);
  const [, wake] = useState(0);
  const busy = useRef(false);
  const here = useRef(true);
  useEffect(() => {
    here.current = true;
    return () => {
      here.current = false;
    };
  }, []);
  useEffect(() => {
    if (key === null || busy.current || key === answer?.key) {
      return;
    }
    busy.current = true;
    const take = (got: T | null): void => {
      const bytes = got?.buffers.reduce((sum, each) => sum + each.byteLength, 0) ?? 0;
      setTimeout(
        () => {
          busy.current = false;
          if (here.current) {
            wake(n => n + 1);
          }
        },
        Math.max(LEAST_PAUSE_MS, (1000 * bytes) / PACE)
      );
      if (here.current) {
        set({ key, got });
      }
    };
    ask().then(take, () => take(null));
  });
  return key === null ? null : answer;
}
