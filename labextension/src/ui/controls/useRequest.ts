/** Requests to the kernel that follow a changing key: one at a time, the newest key wins. */
import { useEffect, useRef, useState } from 'react';

import type { Bytes } from '../../core/protocol/messages';

/** The rate limit of all answers together: the comm carries other messages as well. */
const BYTES_PER_SECOND = 200_000;
const MIN_PAUSE_MS = 150;
/** The pause after an answer, as a multiple of its duration. */
const PAUSE_FACTOR = 3;
const MAX_PAUSE_MS = 5000;
/** The time when the received bytes are within the rate limit again. */
let budgetFreeAt = 0;

/** The result of a request: an answer, or the text of its `error`. */
export interface RequestResult<T> {
  key: string;
  answer: T | null;
  error: string;
}

/** Returns the newest result, which may be of an older key; null for the key null, and before the first result. */
export function useRequest<T extends { buffers: readonly Bytes[] }>(
  key: string | null,
  ask: () => Promise<T>
): RequestResult<T> | null {
  const [result, setResult] = useState<RequestResult<T> | null>(null);
  const [, wake] = useState(0);
  const busy = useRef(false);
  const isMounted = useRef(true);
  useEffect(() => {
    isMounted.current = true;
    return () => {
      isMounted.current = false;
    };
  }, []);
  useEffect(() => {
    if (key === null || busy.current || key === result?.key) {
      return;
    }
    busy.current = true;
    const began = performance.now();
    const settle = (answer: T | null, error = ''): void => {
      const bytes = answer?.buffers.reduce((sum, buffer) => sum + buffer.byteLength, 0) ?? 0;
      const now = performance.now();
      budgetFreeAt = Math.max(budgetFreeAt, now) + (1000 * bytes) / BYTES_PER_SECOND;
      const endPause = (): void => {
        busy.current = false;
        if (isMounted.current) {
          wake(n => n + 1);
        }
      };
      const pause = Math.min(MAX_PAUSE_MS, PAUSE_FACTOR * (now - began));
      setTimeout(endPause, Math.max(MIN_PAUSE_MS, pause, budgetFreeAt - now));
      if (isMounted.current) {
        setResult({ key, answer, error });
      }
    };
    ask().then(
      answer => settle(answer),
      (error: Error) => settle(null, error.message)
    );
  });
  return key === null ? null : result;
}
