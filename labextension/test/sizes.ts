/** Replaces the browser's ResizeObserver: sizes are zero and never change. */
import { vi } from 'vitest';

export function withoutSizes(): void {
  vi.stubGlobal(
    'ResizeObserver',
    class {
      observe(): void {}
      disconnect(): void {}
    }
  );
}
