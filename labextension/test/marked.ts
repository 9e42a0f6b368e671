/** A made-up language, which marks what is translated; and who works a page that speaks it. */
import { render } from 'preact';
import { act } from 'preact/test-utils';
import { afterEach, beforeEach, expect, vi } from 'vitest';

import type { JobRow, StateName } from '../src/core/types';
import { speak, trans } from '../src/core/words';
import { row } from './jobs';
import { withoutSizes } from './sizes';

const english = trans;
export let host: HTMLElement;

beforeEach(() => {
  withoutSizes();
  host = document.createElement('div');
  document.body.replaceChildren(host);
  /** Marks what is translated, and leaves the values between as they are. */
  const marked = (text: string, values: readonly unknown[]): string =>
    text
      .split(/%(\d+)/)
      .map((part, i) => (i % 2 === 1 ? String(values[Number(part) - 1]) : part && `⟦${part}⟧`))
      .join('');
  speak({
    __: (text, ...values) => marked(text, values),
    _n: (one, many, n, ...values) => marked(n === 1 ? one : many, [n, ...values])
  });
});

afterEach(() => {
  render(null, host);
  speak(english);
  vi.unstubAllGlobals();
});

const READ = ['aria-label', 'aria-valuetext', 'title', 'placeholder'];

/** What is shown and neither translated nor `data`. */
export function forgotten(data: readonly string[]): string[] {
  const all = [host, ...host.querySelectorAll('*')];
  const texts = all.flatMap(each => [
    ...[...each.childNodes].filter(child => child.nodeType === 3).map(child => child.nodeValue ?? ''),
    ...READ.map(name => each.getAttribute(name) ?? '')
  ]);
  expect(texts.join('')).toContain('⟦');
  const long = [...data].sort((a, b) => b.length - a.length);
  return [...new Set(texts)].filter(text => {
    const bare = text.replace(/⟦[^⟧]*⟧/g, ' ').replace(/\d [KMGT]iB/g, '');
    return /\p{L}/u.test(long.reduce((rest, each) => rest.replaceAll(each, ''), bare));
  });
}

/** What a server says in these tests: it stays as it is. */
export const DATA = [
  ...['digits-x7k2p', 'default/', 'this computer', 'torch-distributed', 'loss', 'nan'],
  ...['Cell [12], line 4', 'loss = f(x)', 'ValueError: no', 'Traceback …', 'Mend it.', 'Rank 3 was first.'],
  ...['digits-node-0-0', 'gpu-a-17', 'H100', 'no room', 'step-500', 'epoch 1', 'epoch', '%%trainjob']
];

export async function press(name: string): Promise<void> {
  const all = [...host.querySelectorAll<HTMLElement>('button, [aria-haspopup]')];
  const found = all.find(each => each.textContent?.includes(name));
  expect(found, name).toBeDefined();
  await act(() => found?.click());
}

export async function type(found: Element | null, text: string): Promise<void> {
  await act(() => {
    (found as HTMLInputElement).value = text;
    found?.dispatchEvent(new Event('input', { bubbles: true }));
    found?.dispatchEvent(new Event('change', { bubbles: true }));
  });
}

export const STATES: StateName[] = [
  ...(['Queued', 'Starting', 'Running', 'Stopped', 'Suspended', 'Complete', 'Failed', 'Deleted'] as const)
];

export const ROWS: JobRow[] = STATES.map((state, i) =>
  row({ uid: `u${i}`, state, finished: i > 4 ? 10 ** i : null, progress: 0.5, eta: 41, metric: ['loss', 1] })
);
