import { expect, test } from 'vitest';

import { JobsStore } from '../src/core/jobs/jobsStore';
import { groupRows, rowSummary } from '../src/core/jobs/jobGroups';
import type { FromKernel, ToKernel } from '../src/core/protocol/messages';
import { job, row } from './jobs';

function made({ panel = false } = {}): { jobs: JobsStore; sent: ToKernel[]; names: () => unknown[] } {
  const sent: ToKernel[] = [];
  const jobs = new JobsStore(message => sent.push(message), { panel });
  return { jobs, sent, names: () => jobs.view().open.map(store => store.view().job?.name) };
}

const head = (uid: string): FromKernel => ({ kind: 'head', job: uid, head: job({ uid, name: uid }) });

test('each message goes to its job', () => {
  const { jobs, names } = made();
  jobs.setJob(job({ uid: 'a', name: 'a' }), { fresh: true });
  jobs.receive(head('b'), []);
  jobs.receive({ kind: 'nodes', job: 'b', seq: 1, reset: true, nodes: [] }, []);
  expect(names()).toEqual(['a', 'b']);
});

test('a change without a job is ignored', () => {
  const { jobs, names } = made({ panel: true });
  jobs.setJob({} as never, { fresh: false });
  expect(names()).toEqual([]);
});

test('messages of a closed job are dropped, unless it is opened again', () => {
  const { jobs, sent, names } = made();
  jobs.receive(head('a'), []);
  jobs.close('a');
  jobs.receive(head('a'), []);
  expect(names()).toEqual([]);
  jobs.open('a');
  jobs.receive(head('a'), []);
  expect(names()).toEqual(['a']);
  expect(sent).toEqual([
    { kind: 'close', job: 'a' },
    { kind: 'open', job: 'a' }
  ]);
});

test('answers resolve their request, with binary buffers, once', async () => {
  const { jobs, sent } = made();
  jobs.open('a');
  const [store] = jobs.view().open;
  const [first, second] = [store?.ask('csv', { names: null }), store?.ask('text', { form: 'yaml' })];
  const ids = sent.flatMap(message => (message.kind === 'ask' ? [message.id] : []));
  expect(sent[2]).toMatchObject({ kind: 'ask', job: 'a', what: 'text', form: 'yaml' });
  expect(new Set(ids).size).toBe(2);
  const buffer = new DataView(new ArrayBuffer(8));
  jobs.receive({ kind: 'answer', id: ids[1] ?? '', ok: false, error: 'the Secret is gone' }, []);
  jobs.receive({ kind: 'answer', id: 'of another page', ok: true }, []);
  jobs.receive({ kind: 'answer', id: ids[0] ?? '', ok: true, rows: 3 } as FromKernel, [buffer]);
  jobs.receive({ kind: 'answer', id: ids[0] ?? '', ok: true, rows: 4 } as FromKernel, []);
  await expect(first).resolves.toMatchObject({ rows: 3, buffers: [buffer] });
  await expect(second).rejects.toThrow('the Secret is gone');
});

test('two pages on one kernel use different request ids', () => {
  const ids = [made(), made()].map(({ jobs, sent }) => {
    jobs.open('a');
    void jobs.view().open[0]?.ask('earlier', {});
    return sent.flatMap(message => (message.kind === 'ask' ? [message.id] : []))[0];
  });
  expect(ids[0]).not.toBe(ids[1]);
});

test('a panel has no list before the kernel sends one', () => {
  const { jobs } = made({ panel: true });
  expect(jobs.view().rows).toBeNull();
  jobs.receive({ kind: 'jobs', reset: true, gone: [], jobs: [row()] }, []);
  expect(jobs.view().rows).toHaveLength(1);
});

test('a list is grouped, newest first, finished jobs by their end', () => {
  const rows = [
    row({ name: 'old', state: 'Complete', created: 50, finished: 60 }),
    row({ name: 'slow', state: 'Failed', created: 1, finished: 90 }),
    row({ name: 'now', created: 95 }),
    row({ name: 'also now', created: 95 }),
    row({ name: 'soon', state: 'Queued' }),
    row({ name: 'not now', state: 'Stopped' }),
    row({ name: 'let in later', state: 'Suspended', created: 1 })
  ];
  expect(groupRows(rows).map(([name, members]) => [name, members.map(item => item.name)])).toEqual([
    ['Running', ['also now', 'now']],
    ['Waiting', ['soon']],
    ['Stopped', ['not now', 'let in later']],
    ['Finished', ['slow', 'old']]
  ]);
});

test.each([
  [
    'a running job: value, percent and remaining time',
    row({ progress: 0.72, eta: 41, metric: ['loss', 0.184] }),
    ['loss 0.1840 · 8 nodes', '72 % · 0:41 left']
  ],
  ['a starting job: its state and age', row({ state: 'Starting' }), ['Starting', '10 min']],
  ['a waiting job: the reason', row({ state: 'Queued', reason: 'needs 2 GPUs' }), ['needs 2 GPUs', '10 min']],
  [
    'a complete job: value, size, duration',
    row({ state: 'Complete', finished: 551, metric: ['accuracy', 0.957] }),
    ['accuracy 0.9570 · 8 nodes · 2:31', '7 min']
  ],
  [
    'a failed job: the reason',
    row({ state: 'Failed', finished: 950, reason: 'ValueError' }),
    ['ValueError', 'now']
  ],
  ['a failed job without a reason: its state', row({ state: 'Failed', finished: 950 }), ['Failed', 'now']]
])('the row of %s', (_, state, expected) => {
  expect(rowSummary(state, 1000)).toEqual(expected);
});

test('actions of a listed job do not open it; a rerun opens the new job', async () => {
  const { jobs, sent } = made({ panel: true });
  const answer = (part: object): void => {
    const request = sent.at(-1);
    jobs.receive(
      { kind: 'answer', id: request?.kind === 'ask' ? request.id : '', ok: true, ...part } as FromKernel,
      []
    );
  };
  const stopped = jobs.act('a', 'stop');
  answer({});
  await expect(stopped).resolves.toBe('');
  expect(sent).toMatchObject([{ kind: 'ask', job: 'a', what: 'stop' }]);
  const again = jobs.act('a', 'rerun');
  answer({ uid: 'b', name: 'b', differences: ['Another image.'] });
  await expect(again).resolves.toBe('Differences: Another image.');
  expect(sent.at(-1)).toEqual({ kind: 'open', job: 'b' });
});
