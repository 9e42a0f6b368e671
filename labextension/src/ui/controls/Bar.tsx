import type { ReactElement } from 'react';

/** A usage bar. The number beside it carries the same information. */
export function Bar({ share }: { share: number }): ReactElement {
  return (
    <span className="tj-bar" aria-hidden="true">
      <span style={{ width: `${Math.min(100, Math.max(0, share * 100))}%` }} />
    </span>
  );
}
