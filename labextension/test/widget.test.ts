import { act } from 'preact/test-utils';
import { expect, test, vi } from 'vitest';

import widget from '../src/widget/index';
import { job, row } from './jobs';

vi.mock('../src/ui/curves/Chart', () => ({ Chart: () => null }));
vi.mock('../src/ui/style/index.css', () => ({}));

type Handler = (...values: never[]) => void;

function hosted(traits: Record<string, unknown>) {
  const handlers = new Map<string, Handler>();
  const sent: unknown[] = [];
  const model = {
    get: (name: string) => traits[name],
    on: (event: string, handler: Handler) => void handlers.set(event, handler),
    off: (event: string) => void handlers.delete(event),
    send: (message: unknown) => void sent.push(message)
  };
  const say = (message: unknown): void => handlers.get('msg:custom')?.(message as never, [] as never);
  return {
    handlers,
    sent,
    say,
    host: { model: model as never, el: document.createElement('div') },
    ...widget()
  };
}

test('subscribes at once, requests everything when rendered, and cleans up', async () => {
  const { handlers, sent, say, host, initialize, render } = hosted({ kind: 'job', state: job() });
  const forget = initialize(host);
  say({ kind: 'head', job: 'u2', head: job({ uid: 'u2', name: 'before-anybody-looked' }) });
  expect(sent).toEqual([]);
  let leave = (): void => undefined;
  await act(() => {
    leave = render(host);
  });
  expect(sent).toEqual([{ kind: 'ready' }]);
  expect(host.el.textContent).toContain('before-anybody-looked');
  leave();
  forget();
  expect(host.el.textContent).toBe('');
  expect(handlers.size).toBe(0);
});

test('a panel lists jobs, and opens and closes their cards', async () => {
  const { sent, say, host, initialize, render } = hosted({ kind: 'panel', state: {} });
  initialize(host);
  await act(() => void render(host));
  expect(host.el.textContent).toContain('Looking for jobs');
  await act(() => say({ kind: 'jobs', reset: true, gone: [], jobs: [] }));
  expect(host.el.textContent).toContain('There are no jobs');
  await act(() => say({ kind: 'jobs', reset: true, gone: [], jobs: [row()] }));
  const entry = (): HTMLButtonElement => host.el.querySelector('.tj-row') as HTMLButtonElement;
  await act(() => entry().click());
  await act(() => say({ kind: 'head', job: 'u1', head: job() }));
  expect(host.el.querySelectorAll('.tj-head')).toHaveLength(1);
  expect(entry().getAttribute('aria-expanded')).toBe('true');
  await act(() => entry().click());
  expect(host.el.querySelectorAll('.tj-head')).toHaveLength(0);
  expect(sent).toEqual([{ kind: 'ready' }, { kind: 'open', job: 'u1' }, { kind: 'close', job: 'u1' }]);
});

test('of a long list, the newest are shown until all are requested', async () => {
  const { say, host, initialize, render } = hosted({ kind: 'panel', state: {} });
  initialize(host);
  await act(() => void render(host));
  const many = Array.from({ length: 100 }, (_, i) => row({ uid: `u${i}`, state: 'Complete', finished: i }));
  await act(() => say({ kind: 'jobs', reset: true, gone: [], jobs: many }));
  expect(host.el.querySelectorAll('.tj-row')).toHaveLength(10);
  await act(() => (host.el.querySelector('.tj-link') as HTMLButtonElement).click());
  expect(host.el.querySelectorAll('.tj-row')).toHaveLength(100);
});
