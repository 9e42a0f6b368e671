import type { Message, NotebookPanel, Outputs } from '@jupyterlab/notebook';
import type { Bundle } from '@jupyterlab/rendermime';
import { expect, test } from 'vitest';

import { isSameView, JOB, read, VIEW } from '../src/lab/bundle';
import { keepOutputs } from '../src/lab/keeper';
import { pagesOf } from '../src/lab/pages';

function bundle({ uid = 'u1', view = 'v1', state = 'Running', picture = '<img>' } = {}): Bundle {
  return {
    [JOB]: { uid, name: 'digits-x7k2p', state },
    [VIEW]: { model_id: view },
    'text/html': picture,
    'text/plain': state
  };
}

test('reads of an output which job and view it shows, and its picture', () => {
  expect(read(bundle())).toEqual({
    uid: 'u1',
    context: '',
    namespace: '',
    line: '%trainjob show digits-x7k2p',
    viewId: 'v1',
    type: 'text/html',
    picture: '<img>'
  });
});

test('says of a job elsewhere where it is', () => {
  const job = { name: 'a', context: 'gpu', namespace: 'team' };
  expect(read({ [JOB]: job })?.line).toBe('%trainjob show a --context gpu --namespace team');
  expect(read({ [JOB]: { name: 'a', context: 'trainjob-local', namespace: 'default' } })?.line).toBe(
    '%trainjob show a'
  );
});

test('a panel is shown again by its own call', () => {
  expect(read({ [JOB]: { uid: '', name: '' } })?.line).toBe('panel()');
});

test('falls back to words where there is no picture', () => {
  expect(read({ [JOB]: { uid: 'u1' }, 'text/plain': 'digits: Running' })).toMatchObject({
    viewId: '',
    type: 'text/plain',
    picture: 'digits: Running'
  });
});

test.each([
  ['no job', { 'text/html': '<img>' }],
  ['a job that is no object', { [JOB]: 'digits' }],
  ['nothing', {}]
])('an output with %s is none of ours', (_, data) => {
  expect(read(data as Bundle)).toBeNull();
});

test.each([
  ['the same view', {}, true],
  ['a later moment', { state: 'Complete', picture: '<img new>' }, true],
  ['another view of the job', { view: 'v2' }, false],
  ['another job', { uid: 'u2' }, false]
])('%s is the same view: %s', (_, change, same) => {
  const [one, other] = [read(bundle()), read(bundle(change))];
  expect(one && other && isSameView(one, other)).toBe(same);
});

test('outputs without a view are never the same', () => {
  const one = read(bundle({ view: '' }));
  expect(one && isSameView(one, one)).toBe(false);
});

/** A notebook of one cell without outputs and one with these; and what its kernel says. */
function notebook(...data: Bundle[]): { outputs: Bundle[]; sets: number[]; say: (message: Message) => void } {
  const outputs = data.map(each => ({ output_type: 'display_data', data: each, metadata: {} }));
  const sets: number[] = [];
  let say: (message: Message) => void = () => undefined;
  const model: Outputs = {
    length: outputs.length,
    get: index => ({ data: outputs[index]?.data ?? {}, toJSON: () => ({ ...outputs[index] }) }),
    set: (index, output) => {
      sets.push(index);
      outputs[index] = output as (typeof outputs)[number];
    }
  };
  keepOutputs({
    sessionContext: {
      iopubMessage: { connect: (slot: (_: unknown, message: Message) => void) => (say = m => slot(null, m)) }
    },
    content: { model: { cells: [{}, { outputs: model }] } }
  } as unknown as NotebookPanel);
  return { outputs, sets, say: message => say(message) };
}

const update = (data: Bundle, type = 'update_display_data'): Message => ({
  header: { msg_type: type },
  content: { data, metadata: { fresh: true } }
});

test('what the kernel says anew of a view is kept in its output, and in no other', () => {
  const { outputs, sets, say } = notebook(bundle({ view: 'v0' }), bundle(), { 'text/plain': '1' });
  say(update(bundle({ state: 'Complete' })));
  expect(sets).toEqual([1]);
  expect(outputs[1]).toEqual({
    output_type: 'display_data',
    data: bundle({ state: 'Complete' }),
    metadata: { fresh: true }
  });
});

test.each([
  ['that the host has kept already', update(bundle())],
  ['that is shown for the first time', update(bundle({ state: 'Complete' }), 'display_data')],
  ['of something else', update({ 'text/plain': '2' })],
  ['without data', { header: { msg_type: 'update_display_data' }, content: {} }]
])('an output %s is left alone', (_, message) => {
  const { sets, say } = notebook(bundle());
  say(message);
  expect(sets).toEqual([]);
});

test('a page is found by the resolver of its links: a notebook, a console, or none', () => {
  const [a, b] = [{ resolver: {} }, { resolver: {} }];
  const tracker = (panels: object[]): never =>
    ({ find: (matches: (panel: object) => boolean) => panels.find(matches) }) as never;
  const pages = pagesOf(
    { resolver: null } as never,
    tracker([{ content: { rendermime: a }, sessionContext: 'notebook' }]),
    tracker([{ console: { rendermime: b }, sessionContext: 'console' }])
  );
  expect(pages.find(a.resolver)?.session).toBe('notebook');
  expect(pages.find(b.resolver)?.session).toBe('console');
  expect(pages.find({})).toBeNull();
  expect(pagesOf({ resolver: null } as never, null, null).find(a.resolver)).toBeNull();
});
