/**
 * The replacement for React in the cell's widget: Preact, without `preact/compat`, which is larger than the code that is used.
 *
 * So components use the browsers' event names (`onInput` for text while it is typed, no `onDoubleClick`; `onFocus` and
 * `onBlur` do not bubble) and lengths with a unit. `eslint.config.mjs` checks part of this.
 */
import { useLayoutEffect, useReducer } from 'preact/hooks';

export { Fragment, createElement } from 'preact';
export { useCallback, useEffect, useId, useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';

/** The layout effect runs directly after rendering, so no change is missed. */
export function useSyncExternalStore<V>(subscribe: (changed: () => void) => () => void, view: () => V): V {
  const [, redraw] = useReducer((n: number) => n + 1, 0);
  useLayoutEffect(() => subscribe(() => redraw(undefined)), [subscribe]);
  return view();
}
