/** What stands for the browser's ResizeObserver here: nothing has a size, and none ever changes. */
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
