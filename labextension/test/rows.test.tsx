/** The actions in a job's row, in the list of a cell and of the sidebar. */
import { render } from 'preact';
import { act } from 'preact/test-utils';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import type { JobRow } from '../src/core/jobTypes';
import type { Action } from '../src/core/jobs/views';
import { layOut, ROW_HEIGHT, withExtraHeights } from '../src/lab/sidebar/rows';
import { JobList } from '../src/ui/list/JobList';
import { type ConfirmationFacts, RowActions, type RowActionsProps } from '../src/ui/list/RowActions';
import { row } from './jobs';

let host: HTMLElement;

beforeEach(() => {
  host = document.createElement('div');
  document.body.append(host);
});

afterEach(() => {
  render(null, host);
  host.remove();
});

const buttonTexts = (): (string | null)[] =>
  [...host.querySelectorAll('button')].map(button => button.textContent);
const focused = (): string | null => document.activeElement?.textContent ?? null;
const press = async (name: string): Promise<void> => {
  const target = [...host.querySelectorAll('button')].find(button => button.textContent === name);
  expect(target, name).toBeDefined();
  await act(async () => {
    target?.focus();
    target?.click();
    await new Promise(resolve => setTimeout(resolve));
  });
};

async function list(rows: JobRow[], onAct = (): Promise<string> => Promise.resolve('')): Promise<void> {
  const nothing = (): void => undefined;
  await act(() =>
    render(<JobList rows={rows} open={[]} onOpen={nothing} onClose={nothing} onAct={onAct} />, host)
  );
}

async function actions(props: Partial<RowActionsProps>): Promise<void> {
  const all = { row: row(), onAct: () => Promise.resolve(''), ...props };
  await act(() => render(<RowActions {...all} />, host));
}

test('a row that moves to another group keeps its element and the focus', async () => {
  const others = [row({ uid: 'a', name: 'aside', created: 500 }), row({ uid: 's', state: 'Stopped' })];
  await list([...others, row({ uid: 'b', name: 'moves', created: 300 })]);
  const before = [...host.querySelectorAll('.tj-rows-job')].find(element =>
    element.textContent?.includes('moves')
  );
  await act(() => before?.querySelectorAll('button')[1]?.focus());
  expect(focused()).toBe('Stop');
  await list([...others, row({ uid: 'b', name: 'moves', created: 900, state: 'Stopped' })]);
  const after = [...host.querySelectorAll('.tj-rows-job')].find(element =>
    element.textContent?.includes('moves')
  );
  expect(after).toBe(before);
  expect(after?.contains(document.activeElement)).toBe(true);
  expect(focused(), 'the button that replaces Stop').toBe('Resume');
});

test('after Stop in a row, the focus stays in that row', async () => {
  const jobs = (state: JobRow['state']): JobRow[] => [
    row({ uid: 'b', state }),
    row({ uid: 's', state: 'Stopped' })
  ];
  let answer: (note: string) => void = () => undefined;
  const onAct = (): Promise<string> => new Promise(resolve => void (answer = resolve));
  await list(jobs('Running'), onAct);
  await press('Stop');
  await press('Stop job');
  expect(focused()).toBe('Stopping…');
  await list(jobs('Stopped'), onAct);
  await act(async () => answer(''));
  expect(focused()).toBe('Resume');
  expect(document.activeElement?.closest('li')?.querySelector('.tj-row')).not.toBeNull();
});

test('a removed row passes the focus to the next one', async () => {
  await list([row({ uid: 'a', name: 'one', created: 3 }), row({ uid: 'b', name: 'two', created: 2 })]);
  await act(() => host.querySelectorAll<HTMLElement>('.tj-row')[0]?.focus());
  await list([row({ uid: 'b', name: 'two', created: 2 })]);
  expect(focused()).toContain('two');
});

test('Show all moves the focus to the last row that was visible', async () => {
  await list(Array.from({ length: 12 }, (_, i) => row({ uid: `u${i}`, name: `job-${i}`, created: 100 - i })));
  await press('Show all 12');
  expect(host.querySelectorAll('.tj-row')).toHaveLength(12);
  expect(focused()).toContain('job-9');
});

test('a confirmation closes when its subject is gone', async () => {
  const onAct = vi.fn(() => Promise.resolve(''));
  await actions({ onAct });
  await press('Stop');
  expect(buttonTexts()).toEqual(['Stop job', 'Keep running']);
  await actions({ onAct, row: row({ state: 'Complete' }) });
  expect(buttonTexts()).toEqual(['Rerun', 'Delete…']);
  expect(focused()).toBe('Rerun');
  expect(onAct).not.toHaveBeenCalled();
});

test.each([
  [null, 'Stop this job? No checkpoint was saved, so resuming starts over.'],
  ['step-100', 'Stop this job?'],
  ['', 'Stop this job?']
])('the confirmation for the checkpoint %j', async (checkpoint, question) => {
  await actions({ row: row({ checkpoint }) });
  await press('Stop');
  expect(host.querySelector('.tj-question')?.getAttribute('aria-label')).toBe(question);
});

test('the facts for a confirmation are loaded first, once', async () => {
  let resolveFacts: (facts: ConfirmationFacts) => void = () => undefined;
  const loadFacts = vi.fn<(action: Action) => Promise<ConfirmationFacts>>(
    () => new Promise(resolve => void (resolveFacts = resolve))
  );
  await actions({ row: row({ checkpoint: '' }), loadFacts });
  await press('Stop');
  await press('Stop');
  expect(loadFacts.mock.calls).toEqual([['stop']]);
  await act(async () => resolveFacts({ state: 'Running', checkpoint: null }));
  expect(host.textContent).toContain('No checkpoint was saved');
  expect(focused(), 'the safe choice').toBe('Keep running');
});

test('a refused action shows the reason', async () => {
  await actions({ onAct: () => Promise.reject(new Error('the cluster does not answer')) });
  await press('Rerun');
  expect(host.querySelector('[role=status]')?.textContent).toBe('Not rerun: the cluster does not answer');
});

test('rows below an open confirmation move down by its height', () => {
  const rows = ['a', 'b', 'c'].map((uid, i) => row({ uid, created: 10 - i }));
  const all = layOut(rows, { text: '', sort: 'newest' });
  const tops = (items: typeof all.items): number[] => items.map(item => item.top);
  const moved = withExtraHeights(all, new Map([['b', 40]]));
  expect(tops(moved.items)).toEqual([0, 30, 30 + ROW_HEIGHT, 30 + 2 * ROW_HEIGHT + 40]);
  expect(moved.height).toBe(all.height + 40);
  expect(withExtraHeights(all, new Map())).toBe(all);
});
