import { render } from 'preact';
import { act } from 'preact/test-utils';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { JobStore } from '../src/core/store';
import type { Job, ToKernel } from '../src/core/types';
import { JobCard } from '../src/ui/JobCard';
import { failure, job } from './jobs';

// A canvas is what the browser test looks at.
vi.mock('../src/ui/Chart', () => ({
  Chart: ({ label }: { label: string }) => <div role="img" aria-label={label} />
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
});

async function show(state: Job): Promise<{ store: JobStore; sent: ToKernel[] }> {
  const sent: ToKernel[] = [];
  const store = new JobStore(message => sent.push(message));
  store.setJob(state, { fresh: true });
  await act(() => render(<JobCard source={store} />, host));
  return { store, sent };
}

function button(name: string): HTMLButtonElement {
  const found = [...host.querySelectorAll('button')].find(each => each.textContent === name);
  expect(found, name).toBeDefined();
  return found as HTMLButtonElement;
}

test('what a pod wrote is text, whatever it is', async () => {
  const { store } = await show(
    job({
      name: HOSTILE,
      place: HOSTILE,
      runtime: HOSTILE,
      state: 'Failed',
      phases: [{ name: HOSTILE, started: 0, ended: 1 }],
      metrics: [
        [HOSTILE, 1],
        ['x', HOSTILE]
      ],
      failure: failure({
        headline: HOSTILE,
        where: HOSTILE,
        source: HOSTILE,
        traceback: HOSTILE,
        remedy: HOSTILE
      })
    })
  );
  await act(() => store.receive({ kind: 'log', seq: 1, reset: true, lines: [[1, 0, HOSTILE]] }, []));
  expect(host.querySelectorAll('img, script')).toHaveLength(0);
  expect(host.querySelector('.tj-log-text')?.textContent).toBe(HOSTILE);
  expect(host.querySelector('.tj-failure-headline')?.textContent).toBe(HOSTILE);
});

test('a state is a word, and a finished job has neither bar nor button', async () => {
  await show(job({ state: 'Complete', progress: 1, finished: 251 }));
  expect(host.querySelector('.tj-state')?.textContent?.trim()).toBe('Complete');
  expect(host.querySelector('[role=progressbar]')).toBeNull();
  expect(host.querySelector('button.tj-button')).toBeNull();
});

test('a bar without a known end has no number', async () => {
  await show(job({ progress: null, total: null }));
  const bar = host.querySelector('[role=progressbar]');
  expect(bar?.getAttribute('aria-valuenow')).toBeNull();
  expect(bar?.getAttribute('aria-valuetext')).toBe('Running, step 2,592');
});

test('Stop asks once before it stops', async () => {
  const { sent } = await show(job());
  await act(() => button('Stop').click());
  expect(sent).toEqual([]);
  await act(() => button('Keep running').click());
  await act(() => button('Stop').click());
  await act(() => button('Stop job').click());
  expect(sent).toEqual([{ kind: 'stop' }]);
  expect(button('Stopping…').disabled).toBe(true);
});

test('a metric is chosen from tabs while they are few, from a list where they are many', async () => {
  const { store } = await show(job());
  expect(host.querySelectorAll('input[type=radio]')).toHaveLength(1);
  await act(() =>
    store.setJob(job({ metrics: Array.from({ length: 9 }, (_, i) => [`m${i}`, i]) }), { fresh: true })
  );
  expect(host.querySelectorAll('option')).toHaveLength(9);
});

test('the data of a curve can be read as a table', async () => {
  const { store } = await show(job());
  const buffer = new DataView(Float64Array.from([0, 8, 2, 1, 1.5, 0.5, 2.5, 1.5]).buffer);
  const heads = [{ name: 'loss', ranks: 8, points: 2 }];
  await act(() => store.receive({ kind: 'curves', seq: 1, reset: true, curves: heads }, [buffer]));
  expect(host.querySelector('[role=img]')?.getAttribute('aria-label')).toBe('loss: 2 at step 0, 1 at step 8');
  await act(() => button('Show data').click());
  expect([...host.querySelectorAll('tbody tr')].map(row => row.textContent)).toEqual([
    '021.5002.500',
    '810.50001.500'
  ]);
});

test('the traceback is folded', async () => {
  await show(job({ state: 'Failed', failure: failure() }));
  expect(host.querySelector('details')?.open).toBe(false);
  expect(host.querySelector('summary')?.textContent).toBe('Traceback of rank 3');
});
