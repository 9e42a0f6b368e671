/** Replaces `@jupyterlab/services` in tests: each test specifies the responses. */
import { vi } from 'vitest';

export const ServerConnection = {
  makeRequest: vi.fn<(url: string, init: RequestInit, settings: object) => Promise<Response>>()
};
