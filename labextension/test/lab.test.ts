import type { NotebookPanel } from '@jupyterlab/notebook';
import type { KernelMessage } from '@jupyterlab/services';
import type { PartialJSONObject } from '@lumino/coreutils';
import { expect, test } from 'vitest';

import { isSameView, JOB_MIME, readOutput, VIEW_MIME } from '../src/lab/outputs/outputMime';
import { keepOutputs } from '../src/lab/outputs/outputKeeper';
import { pagesOf } from '../src/lab/outputs/openPages';

function bundle({ uid = 'u1', view = 'v1', state = 'Running', picture = '<img>' } = {}): PartialJSONObject {
  return {
    [JOB_MIME]: { uid, name: 'digits-x7k2p', state },
    [VIEW_MIME]: { model_id: view },
    'text/html': picture,
    'text/plain': state
  };
}

test('reads job, view and picture from an output', () => {
  expect(readOutput(bundle())).toEqual({
    uid: 'u1',
    context: '',
    namespace: '',
    showCommand: '%trainjob show digits-x7k2p',
    viewId: 'v1',
    type: 'text/html',
    picture: '<img>'
  });
});

test('names the cluster of a job on another one', () => {
  const job = { name: 'a', context: 'gpu', namespace: 'team' };
  expect(readOutput({ [JOB_MIME]: job })?.showCommand).toBe(
    '%trainjob show a --context gpu --namespace team'
  );
  expect(
    readOutput({ [JOB_MIME]: { name: 'a', context: 'trainjob-local', namespace: 'default' } })?.showCommand
  ).toBe('%trainjob show a');
});

test('a panel is shown again by panel()', () => {
  expect(readOutput({ [JOB_MIME]: { uid: '', name: '' } })?.showCommand).toBe('panel()');
});

test('falls back to text without a picture', () => {
  expect(readOutput({ [JOB_MIME]: { uid: 'u1' }, 'text/plain': 'digits: Running' })).toMatchObject({
    viewId: '',
    type: 'text/plain',
    picture: 'digits: Running'
  });
});

test.each([
  ['no job', { 'text/html': '<img>' }],
  ['a job that is no object', { [JOB_MIME]: 'digits' }],
  ['nothing', {}]
])('an output with %s is none of ours', (_, data) => {
  expect(readOutput(data as PartialJSONObject)).toBeNull();
});

test.each([
  ['the same view', {}, true],
  ['a later moment', { state: 'Complete', picture: '<img new>' }, true],
  ['another view of the job', { view: 'v2' }, false],
  ['another job', { uid: 'u2' }, false]
])('%s is the same view: %s', (_, change, same) => {
  const [one, other] = [readOutput(bundle()), readOutput(bundle(change))];
  expect(one && other && isSameView(one, other)).toBe(same);
});

test('outputs without a view are never the same', () => {
  const one = readOutput(bundle({ view: '' }));
  expect(one && isSameView(one, one)).toBe(false);
});

/** A notebook with one cell without outputs and one with these; `send` emits a message of its kernel. */
function notebook(...data: PartialJSONObject[]): {
  outputs: PartialJSONObject[];
  sets: number[];
  send: (message: KernelMessage.IMessage) => void;
} {
  const outputs = data.map(bundle => ({ output_type: 'display_data', data: bundle, metadata: {} }));
  const sets: number[] = [];
  let send: (message: KernelMessage.IMessage) => void = () => undefined;
  const model = {
    length: outputs.length,
    get: (index: number) => ({ data: outputs[index]?.data ?? {}, toJSON: () => ({ ...outputs[index] }) }),
    set: (index: number, output: object) => {
      sets.push(index);
      outputs[index] = output as (typeof outputs)[number];
    }
  };
  keepOutputs({
    sessionContext: {
      iopubMessage: {
        connect: (slot: (_: unknown, message: KernelMessage.IMessage) => void) => (send = m => slot(null, m))
      }
    },
    content: { model: { cells: [{}, { outputs: model }] } }
  } as unknown as NotebookPanel);
  return { outputs, sets, send: message => send(message) };
}

const update = (data: PartialJSONObject, type = 'update_display_data'): KernelMessage.IMessage =>
  ({
    header: { msg_type: type },
    content: { data, metadata: { fresh: true } }
  }) as unknown as KernelMessage.IMessage;

test('an update of a view from the kernel is stored in its output only', () => {
  const { outputs, sets, send } = notebook(bundle({ view: 'v0' }), bundle(), { 'text/plain': '1' });
  send(update(bundle({ state: 'Complete' })));
  expect(sets).toEqual([1]);
  expect(outputs[1]).toEqual({
    output_type: 'display_data',
    data: bundle({ state: 'Complete' }),
    metadata: { fresh: true }
  });
});

test.each([
  ['that the host has saved already', update(bundle())],
  ['that is shown for the first time', update(bundle({ state: 'Complete' }), 'display_data')],
  ['of another kind', update({ 'text/plain': '2' })]
])('an output %s is not changed', (_, message) => {
  const { sets, send } = notebook(bundle());
  send(message);
  expect(sets).toEqual([]);
});

test('the document of an output is found by its link resolver: a notebook, a console, or none', () => {
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
