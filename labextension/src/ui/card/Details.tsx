import { useLayoutEffect, useRef } from 'react';
import type { ReactElement } from 'react';

import type { Section } from '../../core/protocol/messages';
import { trans } from '../../core/i18n';

/** The code and options of the job. Takes the focus when it opens; Escape closes it. */
export function Details(props: {
  sections: readonly Section[];
  none: string;
  onClose: () => void;
}): ReactElement {
  const { sections, none, onClose } = props;
  const box = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => box.current?.focus(), []);
  return (
    <span
      className="tj-copy"
      onKeyDown={event => {
        event.stopPropagation(); // JupyterLab would handle the keys as shortcuts.
        if (event.key === 'Escape') {
          onClose();
        }
      }}
    >
      <div ref={box} className="tj-sent" role="region" aria-label={trans.__('Details')} tabIndex={0}>
        {none}
        {sections.map(({ title, rows }) => (
          <table key={title}>
            <caption>{title}</caption>
            <tbody>
              {rows.map(([name, ...cells], i) => (
                <tr key={i}>
                  <th scope="row">{name}</th>
                  {cells.map((cell, at) => (
                    <td key={at}>{cell}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        ))}
      </div>
      <button type="button" className="tj-button" onClick={onClose}>
        {trans.__('Close')}
      </button>
    </span>
  );
}
