import { useRef } from 'react';
import type { KeyboardEvent, ReactElement } from 'react';

import { nextFocus } from '../../core/rovingFocus';
import { type Texts, textOf, trans } from '../../core/i18n';

export interface TabsProps<N extends string> {
  /** The panel is `${id}-panel`, named by the tab `${id}-${name}`. */
  id: string;
  names: readonly N[];
  /** The label of each tab. */
  texts: Texts<N>;
  chosen: N;
  onChoose: (name: N) => void;
}

/** The tabs of the card. One tab stop; arrow keys choose. */
export function Tabs<N extends string>({ id, names, texts, chosen, onChoose }: TabsProps<N>): ReactElement {
  const list = useRef<HTMLDivElement>(null);
  const onKeyDown = (event: KeyboardEvent): void => {
    const to = nextFocus(event.key, names.indexOf(chosen), names.length, names.length);
    const name = names[to ?? -1];
    if (to !== null && name !== undefined) {
      event.preventDefault();
      event.stopPropagation();
      onChoose(name);
      list.current?.querySelectorAll('button')[to]?.focus();
    }
  };
  return (
    <div className="tj-views" role="tablist" aria-label={trans.__('Views')} ref={list} onKeyDown={onKeyDown}>
      {names.map(name => (
        <button
          key={name}
          id={`${id}-${name}`}
          type="button"
          role="tab"
          className="tj-view"
          aria-selected={name === chosen}
          aria-controls={`${id}-panel`}
          tabIndex={name === chosen ? 0 : -1}
          onClick={() => onChoose(name)}
        >
          {textOf(texts, name)}
        </button>
      ))}
    </div>
  );
}
