/** All texts of a card and of a list are translated. */
import { render } from 'preact';
import { act } from 'preact/test-utils';
import { expect, test, vi } from 'vitest';

import { JobsStore } from '../src/core/jobs/jobsStore';
import type { ToKernel } from '../src/core/protocol/messages';
import type { Job } from '../src/core/jobTypes';
import type { ChartProps } from '../src/ui/curves/Chart';
import { Widget } from '../src/ui/Widget';
import { failure, job, node, row } from './jobs';
import { DATA, untranslated, host, press, ROWS, STATES, type } from './pseudoLocale';

vi.mock('../src/ui/curves/Chart', () => ({
  Chart: ({ label, text }: ChartProps) => <div aria-label={label} aria-valuetext={text} />
}));

test('untranslated text is detected', () => {
  host.innerHTML = '<p title="⟦Fine⟧ digits">Forgotten</p><input placeholder="too">';
  expect(untranslated(['digits'])).toEqual(['Forgotten', 'too']);
});

async function card(
  state: Job
): Promise<{ answer: (ok: boolean, more: object) => Promise<void>; jobs: JobsStore }> {
  const sent: ToKernel[] = [];
  const jobs = new JobsStore(message => sent.push(message), { panel: false });
  jobs.setJob(state, { fresh: true });
  const usage = { time: 1, cpu: 1.5, cpu_limit: 2, memory: 2 ** 30, memory_limit: 2 ** 31 };
  const gpus = [{ name: 'H100', busy: 0.5, memory: 2 ** 30, memory_total: 2 ** 36 }];
  const ranks = [
    { rank: 0, step: 3, step_time: 0.061, slow: true },
    { rank: 1, step: 3, step_time: 2, slow: false }
  ];
  const states = ['Running', 'Waiting', 'Starting', 'Succeeded', 'Failed', 'Stopped', 'Gone'] as const;
  const nodes = states.map((item, index) =>
    node({ index, state: item, restarts: index, usage: { ...usage, gpus }, ranks, exit_code: index || null })
  );
  const messages = [
    { kind: 'nodes', seq: 1, nodes },
    { kind: 'log', seq: 2, lines: [[5, 1, 0, 'epoch 1']], skipped: 4, before: 'p' }
  ];
  const points = Float64Array.of(0, 9, 3, 1, 2, 0, 4, 2);
  const curves = [{ name: 'loss', ranks: 8, points: 2 }];
  await act(() => {
    messages.forEach(item => jobs.receive({ ...item, job: 'u1', reset: true } as never, []));
    jobs.receive({ kind: 'curves', seq: 3, job: 'u1', reset: true, curves } as never, [points.buffer]);
    render(<Widget jobs={jobs} />, host);
  });
  const answer = async (ok: boolean, more: object): Promise<void> => {
    const request = sent.filter(message => message.kind === 'ask').at(-1);
    await act(async () => {
      jobs.receive({ kind: 'answer', id: request?.id, ok, ...more } as never, []);
      await new Promise(heard => setTimeout(heard));
    });
  };
  return { answer, jobs };
}

test.each(STATES)('a card of a job that is %s', async state => {
  const phases = ['queued', 'scheduling', 'image', 'starting', 'rendezvous', 'training'].map(name => ({
    ...{ name, started: 1, ended: 2 }
  }));
  const lost = state === 'Failed' ? failure({ remedy: 'Mend it.', first: 'Rank 3 was first.' }) : null;
  const finished = state === 'Failed' || state === 'Complete' ? 251 : null;
  await card(
    job({
      state,
      phases,
      failure: lost,
      finished,
      checkpoint: 'step-500',
      ranks_running: 3,
      reason: 'no room'
    })
  );
  expect(untranslated(DATA)).toEqual([]);
  await press('⋯');
  expect(untranslated(DATA)).toEqual([]);
  await press('⟦Nodes⟧');
  expect(untranslated(DATA)).toEqual([]);
});

test('the toolbars of curves and logs are translated', async () => {
  await card(job());
  await press('⟦Tools⟧');
  await press('⟦Compare⟧');
  await type(host.querySelector('input[type=range]'), '3');
  for (const choice of host.querySelectorAll('.tj-curves select')) {
    await type(choice, choice.querySelectorAll('option')[1]?.value ?? '');
  }
  expect(untranslated(DATA)).toEqual([]);
  await press('⟦Table⟧');
  expect(host.querySelector('table')).not.toBeNull();
  expect(untranslated(DATA)).toEqual([]);
  await press('⟦Logs⟧');
  await type(host.querySelector('.tj-log-search'), 'epoch');
  await press('⟦Next⟧');
  expect(untranslated(DATA)).toEqual([]);
  await type(host.querySelector('.tj-log-search'), '(');
  await press('⟦Regex⟧');
  expect(untranslated(DATA)).toEqual([]);
});

test('confirmations and results of actions are translated', async () => {
  vi.stubGlobal('navigator', {});
  const { answer } = await card(job());
  await press('⟦Stop⟧');
  expect(untranslated(DATA)).toEqual([]);
  await press('⟦Stop job⟧');
  expect(untranslated(DATA)).toEqual([]);
  await answer(false, { error: 'no room' });
  expect(host.textContent).toContain('⟦Not stopped⟧');
  expect(untranslated(DATA)).toEqual([]);
  await press('⋯');
  await press('⟦Copy as YAML⟧');
  await answer(true, { text: 'no room' });
  expect(host.querySelector('textarea')).not.toBeNull();
  expect(untranslated(DATA)).toEqual([]);
  await press('⋯');
  await press('⟦Details⟧');
  await answer(true, { sections: [{ title: 'no room', rows: [['no room', 'H100']] }], none: '' });
  expect(untranslated(DATA)).toEqual([]);
  await press('⋯');
  await press('⟦Rerun⟧');
  await answer(true, { uid: 'u1', name: 'digits-x7k2p', differences: ['no room'] });
  expect(untranslated(DATA)).toEqual([]);
});

const MANY = Array.from({ length: 30 }, (_, i) => row({ uid: `v${i}`, state: 'Complete', finished: 500 }));

test.each([
  ['not known', null],
  ['none', []],
  ['of all states', [...ROWS, ...MANY]]
])('a list of jobs that are %s', async (_, rows) => {
  const jobs = new JobsStore(() => undefined, { panel: true });
  if (rows !== null) {
    jobs.receive({ kind: 'jobs', reset: true, jobs: rows, gone: [] } as never, []);
  }
  await act(() => render(<Widget jobs={jobs} />, host));
  expect(untranslated(DATA)).toEqual([]);
});

test('a card that can be closed', async () => {
  const jobs = new JobsStore(() => undefined, { panel: true });
  jobs.setJob(job(), { fresh: true });
  await act(() => render(<Widget jobs={jobs} />, host));
  await press('⋯');
  expect(host.textContent).toContain('⟦Close⟧');
  expect(untranslated(DATA)).toEqual([]);
});
