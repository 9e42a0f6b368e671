import { render } from 'preact';
import { act } from 'preact/test-utils';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { JobsStore } from '../src/core/jobs/jobsStore';
import type { ToKernel } from '../src/core/protocol/messages';
import type { Job } from '../src/core/jobTypes';
import { Widget } from '../src/ui/Widget';
import { failure, job, node } from './jobs';

// Curves and logs have tests of their own, and canvases are what the browser test looks at.
vi.mock('../src/ui/curves/CurvePanel', () => ({ CurvePanel: () => <p>curves</p> }));
vi.mock('../src/ui/log/LogPanel', () => ({
  LogPanel: ({ tail }: { tail: boolean }) => <p>{tail ? 'tail' : 'log'}</p>
}));

const HOSTILE = '<img src=x onerror="globalThis.pwned=1"><script>globalThis.pwned=1</script>';
let host: HTMLElement;

beforeEach(() => {
  host = document.createElement('div');
  document.body.append(host);
});

afterEach(() => {
  render(null, host);
  host.remove();
  vi.unstubAllGlobals();
});

type SentRequest = ToKernel & { kind: 'ask' };

async function show(
  state: Job
): Promise<{ jobs: JobsStore; requests: () => SentRequest[]; answer: (more: object) => Promise<void> }> {
  const sent: ToKernel[] = [];
  const jobs = new JobsStore(message => sent.push(message), { panel: false });
  jobs.setJob(state, { fresh: true });
  await act(() => render(<Widget jobs={jobs} />, host));
  const requests = (): SentRequest[] => sent.filter(message => message.kind === 'ask');
  const answer = async (more: object): Promise<void> => {
    const { id } = requests().at(-1) as SentRequest;
    await act(async () => {
      jobs.receive({ kind: 'answer', id, ok: true, ...more } as never, []);
      await new Promise(resolve => setTimeout(resolve)); // Runs the callbacks of the answered promise.
    });
  };
  return { jobs, requests, answer };
}

function button(name: string): HTMLButtonElement {
  const target = [...host.querySelectorAll('button')].find(item => item.textContent === name);
  expect(target, name).toBeDefined();
  return target as HTMLButtonElement;
}

const menu = (): HTMLButtonElement => host.querySelector('[aria-haspopup=menu]') as HTMLButtonElement;
const key = (name: string): Promise<void> =>
  act(
    () =>
      void document.activeElement?.dispatchEvent(new KeyboardEvent('keydown', { key: name, bubbles: true }))
  );

test('the earlier job of a cell can be stopped or kept with one click', async () => {
  const { jobs, requests, answer } = await show(job());
  await act(() => jobs.setBefore({ uid: 'u0', name: 'digits-old' }));
  expect(host.textContent).toContain('digits-old, which this cell sent before, is still running');
  await act(() => button('Stop it').click());
  expect(requests().at(-1)).toMatchObject({ what: 'stop', job: 'u0' });
  expect(host.textContent).toContain('Stopping digits-old…');
  await act(() => jobs.setBefore({}));
  await answer({});
  expect(host.textContent).toContain('digits-old was stopped');
});

test('the notice of a kept or finished earlier job is not shown again', async () => {
  const { jobs, requests } = await show(job());
  await act(() => jobs.setBefore({ uid: 'u0', name: 'digits-old' }));
  await act(() => jobs.setBefore({}));
  expect(host.textContent).not.toContain('digits-old');
  await act(() => jobs.setBefore({ uid: 'u0', name: 'digits-old' }));
  await act(() => button('Keep both').click());
  expect(host.textContent).not.toContain('digits-old');
  expect(requests()).toEqual([]);
});

test('output of a pod is rendered as text, never as HTML', async () => {
  const { jobs } = await show(
    job({
      name: HOSTILE,
      place: HOSTILE,
      runtime: HOSTILE,
      state: 'Failed',
      phases: [{ name: HOSTILE, started: 0, ended: 1 }],
      failure: failure({
        headline: HOSTILE,
        where: HOSTILE,
        source: HOSTILE,
        traceback: HOSTILE,
        remedy: HOSTILE
      })
    })
  );
  const bad = node({ pod: HOSTILE, host: HOSTILE, reason: HOSTILE, state: HOSTILE as never });
  await act(() => jobs.receive({ kind: 'nodes', job: 'u1', seq: 1, reset: true, nodes: [bad] }, []));
  await act(() => button('Nodes').click());
  expect(host.querySelectorAll('img, script')).toHaveLength(0);
  expect(host.querySelector('.tj-failure-headline')?.textContent).toBe(HOSTILE);
  expect([...host.querySelectorAll('dd')].map(element => element.textContent)).toContain(HOSTILE);
});

test('a state is shown as text, and a finished job has no progress bar', async () => {
  await show(job({ state: 'Complete', progress: 1, finished: 251 }));
  expect(host.querySelector('.tj-state')?.textContent?.trim()).toBe('Complete');
  expect(host.querySelector('[role=progressbar]')).toBeNull();
});

test('a progress bar without a total has no value', async () => {
  await show(job({ progress: null, total: null }));
  const bar = host.querySelector('[role=progressbar]');
  expect(bar?.getAttribute('aria-valuenow')).toBeNull();
  expect(bar?.getAttribute('aria-valuetext')).toBe('Running, step 2,592');
});

test.each([
  ['Queued', 'Stop', ['Rerun', 'Delete…']],
  ['Running', 'Stop', ['Rerun', 'Delete…']],
  ['Stopped', 'Resume', ['Rerun', 'Delete…']],
  ['Complete', 'Rerun', ['Delete…']],
  ['Deleted', null, []]
] as const)('of a job that is %s, %s is offered first', async (state, first, others) => {
  await show(job({ state }));
  const buttons = [...host.querySelectorAll('.tj-head button')].map(element => element.textContent);
  expect(buttons).toEqual([...(first === null ? [] : [first]), '⋯']);
  await act(() => menu().click());
  const details = state === 'Deleted' ? [] : ['Details'];
  const items = [...host.querySelectorAll('[role=menuitem]')].map(element => element.textContent);
  expect(items).toEqual([
    ...others.filter(name => name !== 'Delete…'),
    ...details,
    'Copy as %%trainjob cell',
    'Copy as YAML',
    'Copy as SDK code',
    ...others.filter(name => name === 'Delete…')
  ]);
});

test('Stop asks for confirmation exactly once', async () => {
  const { requests, jobs } = await show(job());
  await act(() => button('Stop').click());
  expect(requests()).toEqual([]);
  await act(() => button('Keep running').click());
  await act(() => button('Stop').click());
  await act(() => button('Stop job').click());
  expect(requests().map(({ what }) => what)).toEqual(['stop']);
  await act(() => button('Stopping…').click());
  expect(requests()).toHaveLength(1);
  await act(() => jobs.setJob(job({ state: 'Stopped' }), { fresh: true }));
  await act(() => button('Resume').click());
  expect(requests().at(-1)?.what).toBe('resume');
});

test('a confirmation closes when its subject is gone', async () => {
  const { requests, jobs } = await show(job());
  await act(() => button('Stop').click());
  expect(host.textContent).toContain('Stop this job? No checkpoint was saved, so resuming starts over.');
  await act(() => jobs.setJob(job({ state: 'Complete', finished: 251 }), { fresh: true }));
  expect(host.textContent).not.toContain('Stop this job?');
  await act(() => button('Rerun').click());
  expect(requests().map(({ what }) => what)).toEqual(['rerun']);
});

test('a card shows warnings, the attempt and the Python name', async () => {
  await show(job({ restarts: 1, warnings: ['loss is NaN since step 412.'], reach: 'get("digits-x7k2p")' }));
  expect(host.querySelector('.tj-reason')?.textContent).toBe('loss is NaN since step 412.');
  expect(host.querySelector('.tj-facts')?.textContent).toContain('attempt 2');
  expect(host.querySelector('.tj-head code')?.textContent).toBe('get("digits-x7k2p")');
});

test('the menu can be operated with the keyboard', async () => {
  const { requests } = await show(job());
  menu().focus();
  await key('ArrowUp');
  expect(document.activeElement?.textContent).toBe('Delete…');
  await key('d');
  expect(document.activeElement?.textContent).toBe('Details');
  await key('Escape');
  expect(document.activeElement).toBe(menu());
  expect(host.querySelector('[role=menu]')).toBeNull();
  await key('ArrowDown');
  await act(() => (document.activeElement as HTMLElement).click());
  expect(requests().map(({ what }) => what)).toEqual(['rerun']);
});

test('a click elsewhere closes the menu', async () => {
  await show(job());
  await act(() => menu().click());
  await act(
    () => void document.body.dispatchEvent(new Event('pointerdown', { bubbles: true, composed: true }))
  );
  expect(host.querySelector('[role=menu]')).toBeNull();
});

test('copied text is written to the clipboard', async () => {
  const copied: string[] = [];
  vi.stubGlobal('navigator', { clipboard: { writeText: async (text: string) => void copied.push(text) } });
  const { requests, answer } = await show(job());
  await act(() => menu().click());
  await act(() => button('Copy as YAML').click());
  expect(requests()[0]).toMatchObject({ what: 'text', form: 'yaml' });
  await answer({ text: 'kind: TrainJob' });
  expect(copied).toEqual(['kind: TrainJob']);
  expect(host.textContent).toContain('Copied');
});

test('without clipboard permission, the text is shown for manual copying', async () => {
  vi.stubGlobal('navigator', {});
  const { answer } = await show(job());
  await act(() => menu().click());
  await act(() => button('Copy as SDK code').click());
  await answer({ text: 'TrainerClient()' });
  expect(host.querySelector('textarea')?.value).toBe('TrainerClient()');
  await act(() => button('Close').click());
  expect(host.querySelector('textarea')).toBeNull();
});

test('details are shown in place and take the focus, which returns to the menu', async () => {
  const { requests, answer } = await show(job());
  await act(() => menu().click());
  await act(() => button('Details').click());
  expect(requests()[0]).toMatchObject({ what: 'details' });
  await answer({ sections: [{ title: 'Values', rows: [['lr', '<b>float</b>', '12 B', '0.1']] }], none: '' });
  const panel = host.querySelector('[role=region][aria-label=Details]');
  expect(document.activeElement).toBe(panel);
  expect(panel?.querySelector('caption')?.textContent).toBe('Values');
  expect([...(panel?.querySelectorAll('tr > *') ?? [])].map(cell => cell.textContent)).toEqual([
    'lr',
    '<b>float</b>',
    '12 B',
    '0.1'
  ]);
  await key('Escape');
  expect(host.querySelector('[aria-label=Details]')).toBeNull();
  expect(document.activeElement).toBe(menu());
});

test('missing details show the reason', async () => {
  const { answer } = await show(job());
  await act(() => menu().click());
  await act(() => button('Details').click());
  await answer({ sections: [], none: 'Its program is in its YAML.' });
  expect(host.textContent).toContain('Its program is in its YAML.');
});

test('a rerun is shown below, and can be closed', async () => {
  const { jobs, answer } = await show(job({ state: 'Complete' }));
  await act(() => button('Rerun').click());
  await answer({ uid: 'u2', name: 'digits-again', differences: [] });
  await act(() =>
    jobs.receive({ kind: 'head', job: 'u2', head: job({ uid: 'u2', name: 'digits-again' }) }, [])
  );
  const names = (): unknown[] => [...host.querySelectorAll('.tj-name')].map(element => element.textContent);
  expect(names()).toEqual(['digits-x7k2p', 'digits-again']);
  await act(() => (host.querySelectorAll('[aria-haspopup=menu]')[1] as HTMLElement).click());
  await act(() => button('Close').click());
  expect(names()).toEqual(['digits-x7k2p']);
});

test('a tile opens the details of its node', async () => {
  const { jobs } = await show(job());
  const nodes = [node(), node({ index: 1, pod: 'digits-node-0-1' })];
  await act(() => jobs.receive({ kind: 'nodes', job: 'u1', seq: 1, reset: true, nodes }, []));
  expect(host.querySelector('dl')).toBeNull();
  const tiles = (): HTMLElement[] => [...host.querySelectorAll<HTMLElement>('[role=option]')];
  expect(tiles().map(tile => tile.tabIndex)).toEqual([0, -1]);
  await act(() => tiles()[1]?.click());
  expect(host.querySelector('[aria-selected=true][role=tab]')?.textContent).toBe('Nodes');
  expect(tiles().map(tile => tile.getAttribute('aria-selected'))).toEqual(['false', 'true']);
  expect(host.querySelector('dl')?.textContent).toContain('digits-node-0-1');
});

test('tabs keep their content, and show curves with the tail of the log', async () => {
  await show(job());
  const seen = (): string[] =>
    [...host.querySelectorAll<HTMLElement>('[role=tabpanel] p')]
      .filter(element => element.closest('[hidden]') === null)
      .map(element => element.textContent ?? '');
  expect(seen()).toEqual(['curves', 'tail']);
  await act(() => button('Logs').click());
  expect(seen()).toEqual(['log']);
  button('Logs').focus();
  await key('Home');
  expect(seen()).toEqual(['curves', 'tail']);
});

test('the outcome of the other ranks is shown next to the cause', async () => {
  await show(job({ state: 'Failed', failure: failure({ first: 'Rank 3 of 8 failed first.' }) }));
  expect(host.querySelector('.tj-failure-words')?.textContent).toContain('Rank 3 of 8 failed first.');
});

test('the traceback is collapsed by default', async () => {
  await show(job({ state: 'Failed', failure: failure() }));
  expect(host.querySelector('details')?.open).toBe(false);
  expect(host.querySelector('summary')?.textContent).toBe('Traceback of rank 3');
});
