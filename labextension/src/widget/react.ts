/**
 * What stands in for React in the cell's widget: Preact, without `preact/compat`, which weighs more than all that is used.
 *
 * So components name events as browsers do (`onInput` for text while it is typed, no `onDoubleClick`; `onFocus` and `onBlur`
 * do not bubble) and give lengths a unit. `eslint.config.mjs` holds them to what it can see.
 */
import { useLayoutEffect, useReducer } from 'preact/hooks';

export { Fragment, createElement } from 'preact';
export { useCallback, useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';

/** Nothing happens between drawing and the effect, so a change cannot be missed. */
export function useSyncExternalStore<V>(subscribe: (changed: () => void) => () => void, view: () => V): V {
  const [, redraw] = useReducer((n: number) => n + 1, 0);
  useLayoutEffect(() => subscribe(() => redraw(undefined)), [subscribe]);
  return view();
}
