import { render } from 'preact';
import { act } from 'preact/test-utils';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import type { What } from '../src/core/protocol';
import type { Curve, Source, View } from '../src/core/types';
import type { ChartProps } from '../src/ui/Chart';
import { CurvePanel } from '../src/ui/CurvePanel';
import { save } from '../src/ui/save';
import { job } from './jobs';

// A canvas is what the browser test looks at; here it is who moves.
const charts = new Map<string, ChartProps>();
vi.mock('../src/ui/Chart', () => ({
  Chart: (props: ChartProps) => {
    charts.set(props.label.split(':')[0] ?? '', props);
    return <div role="img" aria-label={props.label} />;
  }
}));
vi.mock('../src/ui/save', () => ({ save: vi.fn(), picture: vi.fn() }));

const HOSTILE = '<img src=x onerror="globalThis.pwned=1">';

interface Asked {
  what: What;
  args: Record<string, unknown>;
  answer: (content: object, ...buffers: Float64Array[]) => Promise<void>;
  refuse: (why: string) => Promise<void>;
}

let host: HTMLElement;
let asked: Asked[];
/** Draws the panel of the last `show` again. */
let draw: (hidden: boolean) => Promise<void>;

beforeEach(() => {
  vi.useFakeTimers();
  host = document.createElement('div');
  document.body.append(host);
  asked = [];
  charts.clear();
});

afterEach(() => {
  render(null, host);
  host.remove();
  vi.useRealTimers();
});

/** Does it, and lets who waits for a promise go on. */
async function told(deed: () => unknown): Promise<void> {
  deed();
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
  part: Partial<View> = {}
): Promise<(part: Partial<View>) => Promise<void>> {
  let view = {
    job: job({ metrics: names.map(name => [name, 1]), total: null }),
    nodes: [],
    curves: new Map(names.map(name => [name, curve()])),
    ...part
  } as unknown as View;
  const listeners = new Set<() => void>();
  const source = {
    view: () => view,
    subscribe: (changed: () => void) => {
      listeners.add(changed);
      return () => listeners.delete(changed);
    },
    ask: (what: What, args: Record<string, unknown>) =>
      new Promise((resolve, reject) =>
        asked.push({
          what,
          args,
          answer: (content, ...buffers) =>
            act(() => told(() => resolve({ ...content, buffers: buffers.map(each => each.buffer) }))),
          refuse: why => act(() => told(() => reject(new Error(why))))
        })
      )
  } as unknown as Source;
  draw = hidden => act(() => render(<CurvePanel source={source} hidden={hidden} />, host));
  await draw(false);
  await act(() => [...host.querySelectorAll('button')].find(each => each.textContent === 'Tools')?.click());
  return fresh =>
    act(() => {
      view = { ...view, ...fresh };
      listeners.forEach(changed => changed());
    });
}

function control(role: string, name: string): HTMLElement {
  const found = [...host.querySelectorAll<HTMLElement>(role)].find(
    each => (each.getAttribute('aria-label') ?? each.textContent?.trim()) === name
  );
  expect(found, name).toBeDefined();
  return found as HTMLElement;
}

async function select(name: string, value: string): Promise<void> {
  const box = control('select', name) as HTMLSelectElement;
  box.value = value;
  await act(() => void box.dispatchEvent(new Event('change')));
}

/** Lets pauses between requests pass. */
async function rest(): Promise<void> {
  await act(() => void vi.advanceTimersByTime(60_000));
}

test('six metrics are shown at once, others are chosen', async () => {
  await show(['a', 'b', 'c', 'd', 'e', 'f', 'g']);
  expect(charts.size).toBe(6);
  await act(() => control('button', 'Metrics 6/7').click());
  const boxes = [...host.querySelectorAll<HTMLInputElement>('input[type=checkbox]')];
  await act(() => boxes[6]?.click());
  expect(host.querySelectorAll('[role=img]')).toHaveLength(7);
  expect(control('button', 'Metrics')).toBeDefined();
});

test('a metric of which no point has come shows its value', async () => {
  await show([HOSTILE], { curves: new Map() });
  expect(host.querySelector('.tj-plot')?.textContent).toBe(`${HOSTILE}1`);
  expect(host.querySelector('img')).toBeNull();
});

test('without a metric there is nothing', async () => {
  await show([]);
  expect(host.innerHTML).toBe('');
});

test('a zoom asks for every step of all metrics, and draws what it has until they come', async () => {
  await show(['loss', 'accuracy']);
  await act(() => charts.get('loss')?.moves.zoom([20, 40]));
  expect(asked.map(({ what, args }) => [what, args])).toEqual(
    ['loss', 'accuracy'].map(name => ['window', { name, ranks: null, start: 20, end: 40, points: 1000 }])
  );
  expect(charts.get('accuracy')?.x).toEqual([20, 40]);
  expect(charts.get('loss')?.layers[1]?.x).toHaveLength(3);
  await asked[0]?.answer(
    { curves: [{ name: 'loss', ranks: 8, points: 2 }] },
    Float64Array.of(20, 40, 5, 6, 5, 6, 5, 6)
  );
  expect([...(charts.get('loss')?.layers[1]?.y ?? [])]).toEqual([5, 6]);
});

test('while a question waits the next ones wait too, and only the newest is asked', async () => {
  await show(['loss']);
  for (const to of [40, 50, 60]) {
    await act(() => charts.get('loss')?.moves.zoom([20, to]));
  }
  expect(asked.map(({ args }) => args['end'])).toEqual([40]);
  await asked[0]?.answer({ curves: [] });
  await rest();
  expect(asked.map(({ args }) => args['end'])).toEqual([40, 60]);
});

test('a stretch that the newest point is in is asked for again when there are more', async () => {
  const change = await show(['loss']);
  await act(() => charts.get('loss')?.moves.zoom([60, 100]));
  await asked[0]?.answer({ curves: [] });
  await rest();
  await change({ curves: new Map([['loss', curve(8, 120)]]) });
  expect(asked).toHaveLength(2);
});

test('where the kernel refuses, the curve stays as it is known', async () => {
  await show(['loss']);
  await act(() => charts.get('loss')?.moves.zoom([20, 40]));
  await asked[0]?.refuse('The job was deleted.');
  await rest();
  expect(host.querySelector('.tj-plot-words')?.textContent).toBe('The job was deleted.');
  expect(asked).toHaveLength(1);
  expect(charts.get('loss')?.layers[1]?.x).toHaveLength(3);
});

test('single ranks take the place of the mean when they have come', async () => {
  await show(['loss']);
  await select('Ranks', 'some');
  expect(asked[0]?.args).toMatchObject({ name: 'loss', ranks: [0], start: null, end: null });
  expect(charts.get('loss')?.layers.map(layer => layer.kind)).toEqual(['main']);
  await asked[0]?.answer({ curves: [{ rank: 0, points: 2 }] }, Float64Array.of(0, 100, 7, 8));
  expect(charts.get('loss')?.layers.map(({ kind, label }) => [kind, label])).toEqual([['rank', '0']]);
});

test('while it is hidden it draws and asks nothing, and then goes on as it was', async () => {
  const update = await show(['loss']);
  await select('Ranks', 'all');
  expect(asked.map(each => each.what)).toEqual(['window']);
  await asked[0]?.answer({ curves: [{ rank: 3, points: 2 }] }, Float64Array.of(0, 100, 5, 6));
  await draw(true);
  await update({ curves: new Map([['loss', curve(8, 200)]]) });
  await rest();
  expect(asked).toHaveLength(1);
  expect(host.querySelector('[role=img]')).toBeNull();
  await draw(false);
  expect(asked.map(each => each.args.ranks)).toEqual(['all', 'all']);
  expect(host.querySelectorAll('[role=img]')).toHaveLength(1);
});

test('an earlier job beside the curves is no reason to draw them again when something else is said', async () => {
  const update = await show(['loss']);
  await act(() => control('button', 'Compare').click());
  await asked[0]?.answer({
    jobs: [{ uid: 'u2', name: 'before', state: 'Complete', created: 1, finished: 2 }]
  });
  await act(() => host.querySelector<HTMLInputElement>('input[type=checkbox]')?.click());
  await asked[1]?.answer(
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

test('earlier jobs are asked for, and at most three drawn, each with a letter of its own', async () => {
  await show(['loss']);
  await act(() => control('button', 'Compare').click());
  const jobs = [1, 2, 3, 4].map(n => ({
    uid: `u${n}`,
    name: `job-${n}`,
    state: 'Complete',
    created: 0,
    finished: 9
  }));
  await asked[0]?.answer({ jobs });
  for (const n of [1, 2, 3]) {
    await act(() => host.querySelectorAll<HTMLInputElement>('input[type=checkbox]')[n - 1]?.click());
    expect(asked[n]?.args).toEqual({ uid: `u${n}` });
    const head = { name: 'loss', ranks: 1, points: 1 };
    await asked[n]?.answer(
      { name: `job-${n}`, curves: [head], clock: 0 },
      Float64Array.of(0, n, n, n),
      Float64Array.of()
    );
  }
  const boxes = [...host.querySelectorAll<HTMLInputElement>('input[type=checkbox]')];
  expect(boxes.map(each => each.disabled)).toEqual([false, false, false, true]);
  await act(() => boxes[1]?.click());
  expect([...host.querySelectorAll('.tj-pins > span')].map(each => each.textContent?.trim())).toEqual([
    'A job-1',
    'C job-3'
  ]);
  expect(charts.get('loss')?.layers.map(layer => layer.label)).toEqual(['', 'A', 'C', '']);
});

test('CSV comes from the kernel; where that does not answer, it is what is drawn', async () => {
  await show(['loss']);
  await act(() => control('button', 'CSV').click());
  await asked[0]?.refuse('The kernel is gone.');
  expect(host.querySelector('[role=status]')?.textContent).toBe(
    'Saved the points that are drawn. The kernel is gone.'
  );
  const [blob, name] = vi.mocked(save).mock.calls.at(-1) ?? [];
  expect(name).toBe('digits-x7k2p.csv');
  expect(await blob?.text()).toMatch(/^metric,step,mean,low,high\r\nloss,0,3,2,4\r\n/);
});

test('a job that began anew asks where', async () => {
  await show(['loss'], { nodes: [{ restarts: 1 }] as unknown as View['nodes'] });
  expect(asked[0]?.what).toBe('clock');
  await asked[0]?.answer({ points: 0, restarts: [50] }, Float64Array.of());
  expect(charts.get('loss')?.marks).toEqual([50]);
  expect(charts.get('loss')?.label).toMatch(/, began anew at step 50$/);
});
