import { render } from 'preact';
import { act } from 'preact/test-utils';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import type { RequestName } from '../src/core/protocol/messages';
import type { Curve } from '../src/core/jobTypes';
import type { JobSource, JobView } from '../src/core/jobs/views';
import type { ChartProps } from '../src/ui/curves/Chart';
import { CurvePanel } from '../src/ui/curves/CurvePanel';
import { save } from '../src/ui/curves/saveFile';
import { job } from './jobs';

// The browser test checks the canvas; these tests check the navigation.
const charts = new Map<string, ChartProps>();
vi.mock('../src/ui/curves/Chart', () => ({
  Chart: (props: ChartProps) => {
    charts.set(props.label.split(':')[0] ?? '', props);
    return <div role="img" aria-label={props.label} />;
  }
}));
vi.mock('../src/ui/curves/saveFile', () => ({ save: vi.fn(), picture: vi.fn() }));

const HOSTILE = '<img src=x onerror="globalThis.pwned=1">';

interface PendingRequest {
  name: RequestName;
  args: Record<string, unknown>;
  answer: (content: object, ...buffers: Float64Array[]) => Promise<void>;
  refuse: (why: string) => Promise<void>;
}

let host: HTMLElement;
let requests: PendingRequest[];
/** Redraws the panel of the last `show`. */
let draw: (hidden: boolean) => Promise<void>;

beforeEach(() => {
  vi.useFakeTimers();
  host = document.createElement('div');
  document.body.append(host);
  requests = [];
  charts.clear();
});

afterEach(() => {
  render(null, host);
  host.remove();
  vi.useRealTimers();
});

/** Runs an action, and then the callbacks of promises that it settled. */
async function flushed(action: () => unknown): Promise<void> {
  action();
  for (let turn = 0; turn < 9; turn++) {
    await null;
  }
}

function curve(ranks = 8, last = 100): Curve {
  const x = Float64Array.of(0, last / 2, last);
  const [mean, low, high] = [Float64Array.of(3, 2, 1), Float64Array.of(2, 1, 0), Float64Array.of(4, 3, 2)];
  return { ranks, x, mean, low, high };
}

async function show(
  names: string[],
  part: Partial<JobView> = {}
): Promise<(part: Partial<JobView>) => Promise<void>> {
  let view = {
    job: job({ metrics: names.map(name => [name, 1]), total: null }),
    nodes: [],
    curves: new Map(names.map(name => [name, curve()])),
    ...part
  } as unknown as JobView;
  const listeners = new Set<() => void>();
  const source = {
    view: () => view,
    subscribe: (changed: () => void) => {
      listeners.add(changed);
      return () => listeners.delete(changed);
    },
    ask: (name: RequestName, args: Record<string, unknown>) =>
      new Promise((resolve, reject) =>
        requests.push({
          name,
          args,
          answer: (content, ...buffers) =>
            act(() => flushed(() => resolve({ ...content, buffers: buffers.map(buffer => buffer.buffer) }))),
          refuse: why => act(() => flushed(() => reject(new Error(why))))
        })
      )
  } as unknown as JobSource;
  draw = hidden => act(() => render(<CurvePanel source={source} hidden={hidden} />, host));
  await draw(false);
  await act(() =>
    [...host.querySelectorAll('button')].find(button => button.textContent === 'Tools')?.click()
  );
  return fresh =>
    act(() => {
      view = { ...view, ...fresh };
      listeners.forEach(changed => changed());
    });
}

function control(role: string, name: string): HTMLElement {
  const found = [...host.querySelectorAll<HTMLElement>(role)].find(
    element => (element.getAttribute('aria-label') ?? element.textContent?.trim()) === name
  );
  expect(found, name).toBeDefined();
  return found as HTMLElement;
}

async function select(name: string, value: string): Promise<void> {
  const box = control('select', name) as HTMLSelectElement;
  box.value = value;
  await act(() => void box.dispatchEvent(new Event('change')));
}

/** Advances the clock beyond the pause between requests. */
async function rest(): Promise<void> {
  await act(() => void vi.advanceTimersByTime(60_000));
}

test("the value beside a curve is the job's, not that of the ranks that are ahead", async () => {
  await show(['loss'], { job: job({ metrics: [['loss', 0.1056]] }) });
  expect(host.querySelector('.tj-plot-value')?.textContent).toBe('0.1056');
});

test('six metrics are shown by default, others can be selected', async () => {
  await show(['a', 'b', 'c', 'd', 'e', 'f', 'g']);
  expect(charts.size).toBe(6);
  await act(() => control('button', 'Metrics 6/7').click());
  const boxes = [...host.querySelectorAll<HTMLInputElement>('input[type=checkbox]')];
  await act(() => boxes[6]?.click());
  expect(host.querySelectorAll('[role=img]')).toHaveLength(7);
  expect(control('button', 'Metrics')).toBeDefined();
});

test('a metric without points shows its value', async () => {
  await show([HOSTILE], { curves: new Map() });
  expect(host.querySelector('.tj-plot')?.textContent).toBe(`${HOSTILE}1`);
  expect(host.querySelector('img')).toBeNull();
});

test('without a metric a hint shows how to report one', async () => {
  await show([]);
  expect(host.textContent).toMatch(/^No metrics yet\. Curves appear when the job calls report\(/);
});

test('a zoom requests all steps of all metrics, and draws the coarse curve until they arrive', async () => {
  await show(['loss', 'accuracy']);
  await act(() => charts.get('loss')?.moves.zoom([20, 40]));
  expect(requests.map(({ name, args }) => [name, args])).toEqual(
    ['loss', 'accuracy'].map(name => ['window', { name, ranks: null, start: 20, end: 40, points: 1000 }])
  );
  expect(charts.get('accuracy')?.x).toEqual([20, 40]);
  expect(charts.get('loss')?.layers[1]?.x).toHaveLength(3);
  await requests[0]?.answer(
    { curves: [{ name: 'loss', ranks: 8, points: 2 }] },
    Float64Array.of(20, 40, 5, 6, 5, 6, 5, 6)
  );
  expect([...(charts.get('loss')?.layers[1]?.y ?? [])]).toEqual([5, 6]);
});

test('requests are queued while one is pending, and only the newest is sent', async () => {
  await show(['loss']);
  for (const to of [40, 50, 60]) {
    await act(() => charts.get('loss')?.moves.zoom([20, to]));
  }
  expect(requests.map(({ args }) => args['end'])).toEqual([40]);
  await requests[0]?.answer({ curves: [] });
  await rest();
  expect(requests.map(({ args }) => args['end'])).toEqual([40, 60]);
});

test('a range with the newest point is requested again when there are more', async () => {
  const change = await show(['loss']);
  await act(() => charts.get('loss')?.moves.zoom([60, 100]));
  await requests[0]?.answer({ curves: [] });
  await rest();
  await change({ curves: new Map([['loss', curve(8, 120)]]) });
  expect(requests).toHaveLength(2);
});

test('if the kernel refuses, the last curve stays', async () => {
  await show(['loss']);
  await act(() => charts.get('loss')?.moves.zoom([20, 40]));
  await requests[0]?.refuse('The job was deleted.');
  await rest();
  expect(host.querySelector('.tj-plot-words')?.textContent).toBe('The job was deleted.');
  expect(requests).toHaveLength(1);
  expect(charts.get('loss')?.layers[1]?.x).toHaveLength(3);
});

test('single ranks replace the mean when they are received', async () => {
  await show(['loss']);
  await select('Ranks', 'some');
  expect(requests[0]?.args).toMatchObject({ name: 'loss', ranks: [0], start: null, end: null });
  expect(charts.get('loss')?.layers.map(layer => layer.kind)).toEqual(['main']);
  await requests[0]?.answer({ curves: [{ rank: 0, points: 2 }] }, Float64Array.of(0, 100, 7, 8));
  expect(charts.get('loss')?.layers.map(({ kind, label }) => [kind, label])).toEqual([['rank', '0']]);
});

test('a hidden panel neither draws nor sends requests, and continues when it is shown', async () => {
  const update = await show(['loss']);
  await select('Ranks', 'all');
  expect(requests.map(request => request.name)).toEqual(['window']);
  await requests[0]?.answer({ curves: [{ rank: 3, points: 2 }] }, Float64Array.of(0, 100, 5, 6));
  await draw(true);
  await update({ curves: new Map([['loss', curve(8, 200)]]) });
  await rest();
  expect(requests).toHaveLength(1);
  expect(host.querySelector('[role=img]')).toBeNull();
  await draw(false);
  expect(requests.map(request => request.args.ranks)).toEqual(['all', 'all']);
  expect(host.querySelectorAll('[role=img]')).toHaveLength(1);
});

test('curves with an earlier job are not redrawn for unrelated changes', async () => {
  const update = await show(['loss']);
  await act(() => control('button', 'Compare').click());
  await requests[0]?.answer({
    jobs: [{ uid: 'u2', name: 'before', state: 'Complete', created: 1, finished: 2 }]
  });
  await act(() => host.querySelector<HTMLInputElement>('input[type=checkbox]')?.click());
  await requests[1]?.answer(
    { name: 'before', curves: [{ name: 'loss', ranks: 1, points: 2 }], clock: 0 },
    Float64Array.of(0, 9, 1, 2, 1, 2, 1, 2)
  );
  const before = charts.get('loss')?.layers;
  expect(before?.some(layer => layer.kind === 'pin')).toBe(true);
  await update({ log: [] });
  expect(charts.get('loss')?.layers).toBe(before);
});

test('one rank has no choice of ranks', async () => {
  await show(['loss'], { curves: new Map([['loss', curve(1)]]) });
  expect(host.querySelector('select[aria-label=Ranks]')).toBeNull();
});

test('earlier jobs are requested, and at most three are drawn, each with its own letter', async () => {
  await show(['loss']);
  await act(() => control('button', 'Compare').click());
  const jobs = [1, 2, 3, 4].map(n => ({
    uid: `u${n}`,
    name: `job-${n}`,
    state: 'Complete',
    created: 0,
    finished: 9
  }));
  await requests[0]?.answer({ jobs });
  for (const n of [1, 2, 3]) {
    await act(() => host.querySelectorAll<HTMLInputElement>('input[type=checkbox]')[n - 1]?.click());
    expect(requests[n]?.args).toEqual({ uid: `u${n}` });
    const head = { name: 'loss', ranks: 1, points: 1 };
    await requests[n]?.answer(
      { name: `job-${n}`, curves: [head], clock: 0 },
      Float64Array.of(0, n, n, n),
      Float64Array.of()
    );
  }
  const boxes = [...host.querySelectorAll<HTMLInputElement>('input[type=checkbox]')];
  expect(boxes.map(box => box.disabled)).toEqual([false, false, false, true]);
  await act(() => boxes[1]?.click());
  expect([...host.querySelectorAll('.tj-pins > span')].map(element => element.textContent?.trim())).toEqual([
    'A job-1',
    'C job-3'
  ]);
  expect(charts.get('loss')?.layers.map(layer => layer.label)).toEqual(['', 'A', 'C', '']);
});

test('CSV comes from the kernel, or from the drawn points if the kernel does not answer', async () => {
  await show(['loss']);
  await act(() => control('button', 'CSV').click());
  await requests[0]?.refuse('The kernel is gone.');
  expect(host.querySelector('[role=status]')?.textContent).toBe(
    'Saved the points that are drawn. The kernel is gone.'
  );
  const [blob, name] = vi.mocked(save).mock.calls.at(-1) ?? [];
  expect(name).toBe('digits-x7k2p.csv');
  expect(await blob?.text()).toMatch(/^metric,step,mean,low,high\r\nloss,0,3,2,4\r\n/);
});

test('the chart label names the steps of restarts', async () => {
  await show(['loss'], { nodes: [{ restarts: 1 }] as unknown as JobView['nodes'] });
  expect(requests[0]?.name).toBe('clock');
  await requests[0]?.answer({ points: 0, restarts: [50] }, Float64Array.of());
  expect(charts.get('loss')?.marks).toEqual([50]);
  expect(charts.get('loss')?.label).toMatch(/, restarted at step 50$/);
});
