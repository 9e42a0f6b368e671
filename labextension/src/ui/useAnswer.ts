/** What the kernel says to a question that changes: one request at a time, the newest question wins. */
import { useEffect, useRef, useState } from 'react';

import type { Bytes } from '../core/protocol';

/** All answers together come no faster than this, in bytes a second: a comm carries everything else as well. */
const PACE = 200_000;
const LEAST_PAUSE_MS = 150;
/** After an answer the kernel is left alone for so many times as long as that took, within reason. */
const EASE = 3;
const MOST_PAUSE_MS = 5000;
/** When the answers that have come are paid for. */
let paid = 0;

/** What came of a question: an answer, or in words `why` there is none. */
export interface Answered<T> {
  key: string;
  got: T | null;
  why: string;
}

/** Returns what came last, be it of an older question; null without a question (`key` null) and before anything came. */
export function useAnswer<T extends { buffers: readonly Bytes[] }>(
  key: string | null,
  ask: () => Promise<T>
): Answered<T> | null {
  const [answer, set] = useState<Answered<T> | null>(null);
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
    const began = performance.now();
    const take = (got: T | null, why = ''): void => {
      const bytes = got?.buffers.reduce((sum, each) => sum + each.byteLength, 0) ?? 0;
      const now = performance.now();
      paid = Math.max(paid, now) + (1000 * bytes) / PACE;
      const rest = (): void => {
        busy.current = false;
        if (here.current) {
          wake(n => n + 1);
        }
      };
      const ease = Math.min(MOST_PAUSE_MS, EASE * (now - began));
      setTimeout(rest, Math.max(LEAST_PAUSE_MS, ease, paid - now));
      if (here.current) {
        set({ key, got, why });
      }
    };
    ask().then(
      got => take(got),
      (error: Error) => take(null, error.message)
    );
  });
  return key === null ? null : answer;
}
