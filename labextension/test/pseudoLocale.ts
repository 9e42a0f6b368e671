/** A pseudo locale that marks translated texts, and helpers for pages in it. */
import { render } from 'preact';
import { act } from 'preact/test-utils';
import { afterEach, beforeEach, expect, vi } from 'vitest';

import type { JobRow, StateName } from '../src/core/jobTypes';
import { setTranslations, trans } from '../src/core/i18n';
import { row } from './jobs';
import { withoutSizes } from './sizes';

const english = trans;
export let host: HTMLElement;

beforeEach(() => {
  withoutSizes();
  host = document.createElement('div');
  document.body.replaceChildren(host);
  /** Marks the translated parts of a text, but not the values between them. */
  const marked = (text: string, values: readonly unknown[]): string =>
    text
      .split(/%(\d+)/)
      .map((part, i) => (i % 2 === 1 ? String(values[Number(part) - 1]) : part && `⟦${part}⟧`))
      .join('');
  setTranslations({
    __: (text, ...values) => marked(text, values),
    _n: (one, many, n, ...values) => marked(n === 1 ? one : many, [n, ...values])
  });
});

afterEach(() => {
  render(null, host);
  setTranslations(english);
  vi.unstubAllGlobals();
});

const READ = ['aria-label', 'aria-valuetext', 'title', 'placeholder'];

/** Returns texts of the page that are neither translated nor `data`. */
export function untranslated(data: readonly string[]): string[] {
  const all = [host, ...host.querySelectorAll('*')];
  const texts = all.flatMap(element => [
    ...[...element.childNodes].filter(child => child.nodeType === 3).map(child => child.nodeValue ?? ''),
    ...READ.map(name => element.getAttribute(name) ?? '')
  ]);
  expect(texts.join('')).toContain('⟦');
  const long = [...data].sort((a, b) => b.length - a.length);
  return [...new Set(texts)].filter(text => {
    const bare = text.replace(/⟦[^⟧]*⟧/g, ' ').replace(/\d [KMGT]iB/g, '');
    return /\p{L}/u.test(long.reduce((rest, item) => rest.replaceAll(item, ''), bare));
  });
}

/** Texts of the server in these tests, which are not translated. */
export const DATA = [
  ...['digits-x7k2p', 'digits', 'default/', 'this computer', 'torch-distributed', 'loss', 'nan'],
  ...['Cell [12], line 4', 'loss = f(x)', 'ValueError: no', 'Traceback …', 'Mend it.', 'Rank 3 was first.'],
  ...['digits-node-0-0', 'gpu-a-17', 'H100', 'no room', 'step-500', 'epoch 1', 'epoch', '%%trainjob']
];

export async function press(name: string): Promise<void> {
  const all = [...host.querySelectorAll<HTMLElement>('button, [aria-haspopup]')];
  const target = all.find(element =>
    [element.textContent, element.getAttribute('aria-label')].some(text => text?.includes(name))
  );
  expect(target, name).toBeDefined();
  await act(() => target?.click());
}

export async function type(field: Element | null, text: string): Promise<void> {
  await act(() => {
    (field as HTMLInputElement).value = text;
    field?.dispatchEvent(new Event('input', { bubbles: true }));
    field?.dispatchEvent(new Event('change', { bubbles: true }));
  });
}

export const STATES: StateName[] = [
  ...(['Queued', 'Starting', 'Running', 'Stopped', 'Suspended', 'Complete', 'Failed', 'Deleted'] as const)
];

export const ROWS: JobRow[] = STATES.map((state, i) =>
  row({ uid: `u${i}`, state, finished: i > 4 ? 10 ** i : null, progress: 0.5, eta: 41, metric: ['loss', 1] })
);
