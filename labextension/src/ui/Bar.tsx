import type { ReactElement } from 'react';

/** How full something is. The number beside it says the same. */
export function Bar({ share }: { share: number }): ReactElement {
  return (
    <span className="tj-bar" aria-hidden="true">
      <span style={{ width: `${Math.min(100, Math.max(0, share * 100))}%` }} />
    </span>
  );
}
