/** What stands for `@jupyterlab/services` here: whatever a test answers. */
import { vi } from 'vitest';

export const ServerConnection = {
  makeRequest: vi.fn<(url: string, init: RequestInit, settings: object) => Promise<Response>>()
};
