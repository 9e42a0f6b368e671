import { useId, useLayoutEffect, useRef, useState } from 'react';
import type { KeyboardEvent, ReactElement } from 'react';

import { nextFocus } from '../../core/rovingFocus';

export interface MenuProps {
  label: string;
  items: { name: string; onChoose: () => void }[];
}

/** A menu button (https://www.w3.org/WAI/ARIA/apg/patterns/menu-button/): arrows, Home, End and letters move, Escape and Tab close it. */
export function Menu({ label, items }: MenuProps): ReactElement {
  const id = useId();
  const [at, go] = useState<number | null>(null);
  const host = useRef<HTMLSpanElement>(null);
  const open = at !== null;

  useLayoutEffect(() => {
    if (at !== null) {
      host.current?.querySelectorAll<HTMLElement>('[role=menuitem]')[at]?.focus();
    }
  }, [at]);
  // Not a passive effect: the listener has to be there for a click that follows at once.
  useLayoutEffect(() => {
    const outside = (event: Event): void => {
      // For listeners outside of a shadow root, `target` is the root's host.
      if (host.current !== null && !event.composedPath().includes(host.current)) {
        go(null);
      }
    };
    if (open) {
      document.addEventListener('pointerdown', outside);
    }
    return () => document.removeEventListener('pointerdown', outside);
  }, [open]);

  const close = (): void => {
    go(null);
    host.current?.querySelector('button')?.focus();
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    const to = target(
      event.key,
      at,
      items.map(item => item.name)
    );
    if (to !== null) {
      go(to);
    } else if (open && event.key === 'Escape') {
      close();
    } else {
      if (event.key === 'Tab') {
        go(null);
      }
      return;
    }
    event.preventDefault();
    event.stopPropagation();
  };
  return (
    <span className="tj-menu" ref={host} onKeyDown={onKeyDown}>
      <button
        type="button"
        className="tj-button"
        aria-label={label}
        aria-haspopup="menu"
        aria-expanded={open}
        aria-controls={open ? id : undefined}
        onClick={() => go(open ? null : 0)}
      >
        ⋯
      </button>
      {open && (
        <div id={id} className="tj-menu-items" role="menu" aria-label={label}>
          {items.map(({ name, onChoose }) => (
            <button
              key={name}
              type="button"
              role="menuitem"
              tabIndex={-1}
              onClick={() => {
                close();
                onChoose();
              }}
            >
              {name}
            </button>
          ))}
        </div>
      )}
    </span>
  );
}

/** The index of the item that a key moves to; null for other keys. */
function target(key: string, at: number | null, names: string[]): number | null {
  if (at === null) {
    return key === 'ArrowDown' ? 0 : key === 'ArrowUp' ? names.length - 1 : null;
  }
  const order = names.map((_, i) => (at + 1 + i) % names.length);
  const starts = (i: number): boolean => names[i]?.toLowerCase().startsWith(key.toLowerCase()) === true;
  return nextFocus(key, at, names.length, 1) ?? order.find(starts) ?? null;
}
