/** Restores the focus in a list after a redraw that moves or replaces the focused element. */
import { useLayoutEffect } from 'react';
import type { RefObject } from 'react';

/**
 * Gives the focus back to the element of `box` that had it before the redraw; if that was removed, to the element of
 * `stops` (a selector) that is now at its index.
 */
export function useFocusRestore(box: RefObject<HTMLElement | null>, stops: string): void {
  // While a component renders, the page is still unchanged.
  const active = document.activeElement;
  const focused = active instanceof HTMLElement && box.current?.contains(active) ? active : null;
  const index = focused === null ? 0 : indexOfStop(focused, all(box.current, stops));
  useLayoutEffect(() => {
    if (focused === null || document.activeElement !== document.body) {
      return;
    }
    const elements = all(box.current, stops);
    const next = focused.isConnected ? focused : elements[Math.min(index, elements.length - 1)];
    next?.focus();
  });
}

const all = (box: HTMLElement | null, stops: string): HTMLElement[] => [
  ...(box?.querySelectorAll<HTMLElement>(stops) ?? [])
];

/** The index of the last stop that is `node` or comes before it. */
function indexOfStop(node: HTMLElement, stops: readonly HTMLElement[]): number {
  const isPast = (stop: HTMLElement): boolean =>
    (node.compareDocumentPosition(stop) & Node.DOCUMENT_POSITION_FOLLOWING) !== 0;
  const past = stops.findIndex(isPast);
  return Math.max(0, (past < 0 ? stops.length : past) - 1);
}
