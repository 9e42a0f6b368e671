import { useLayoutEffect, useRef } from 'react';
import type { ReactElement } from 'react';

import { trans } from '../../core/i18n';

/** The text to copy by hand, selected, if the page may not write to the clipboard. */
export function CopyBox({ text, onClose }: { text: string; onClose: () => void }): ReactElement {
  const box = useRef<HTMLTextAreaElement>(null);
  useLayoutEffect(() => {
    box.current?.focus();
    box.current?.select();
  }, [text]);
  return (
    <span
      className="tj-copy"
      onKeyDown={event => {
        event.stopPropagation(); // JupyterLab would handle typed keys as shortcuts.
        if (event.key === 'Escape') {
          onClose();
        }
      }}
    >
      <label>
        <span>{trans.__('This page may not use the clipboard. Copy it from here.')}</span>
        <textarea ref={box} readOnly rows={8} value={text} />
      </label>
      <button type="button" className="tj-button" onClick={onClose}>
        {trans.__('Close')}
      </button>
    </span>
  );
}
