import { act } from 'preact/test-utils';
import { expect, test, vi } from 'vitest';

import widget from '../src/widget/index';
import { job } from './jobs';

vi.mock('../src/ui/Chart', () => ({ Chart: () => null }));
vi.mock('../src/ui/style/index.css', () => ({}));

type Handler = (...values: never[]) => void;

test('listens from the first moment, asks for everything when rendered, and leaves nothing behind', async () => {
  const handlers = new Map<string, Handler>();
  const sent: unknown[] = [];
  const model = {
    get: () => job(),
    on: (event: string, handler: Handler) => void handlers.set(event, handler),
    off: (event: string) => void handlers.delete(event),
    send: (message: unknown) => void sent.push(message)
  };
  const el = document.createElement('div');
  const { initialize, render } = widget();
  const forget = initialize({ model: model as never });
  const early = { kind: 'log', seq: 1, reset: true, lines: [[1, 0, 'before anybody looked']] };
  handlers.get('msg:custom')?.(early as never, [] as never);
  expect(sent).toEqual([]);
  let leave = (): void => undefined;
  await act(() => {
    leave = render({ model: model as never, el });
  });
  expect(sent).toEqual([{ kind: 'ready' }]);
  expect(el.textContent).toContain('before anybody looked');
  leave();
  forget();
  expect(el.textContent).toBe('');
  expect(handlers.size).toBe(0);
});
