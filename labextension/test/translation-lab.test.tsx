/** All texts of the sidebar and the form are translated. */
import { render } from 'preact';
import type { ReactElement } from 'react';
import { act } from 'preact/test-utils';
import { expect, test } from 'vitest';

import schema from '../schema/commands.json';
import { Store } from '../src/core/store';
import type { Channel } from '../src/core/jobs/jobStream';
import type { JobRow } from '../src/core/jobTypes';
import type { FormField } from '../src/lab/server/jobForm';
import { Draft } from '../src/lab/newJob/draft';
import { NewJob } from '../src/lab/newJob/NewJob';
import { Panel } from '../src/lab/sidebar/Panel';
import { DATA, untranslated, host, press, ROWS, type } from './pseudoLocale';

class Shown extends Store<Record<string, unknown>> {}

function panel(rows: JobRow[] | null, running: boolean): ReactElement {
  const cluster = { name: 'trainjob-local', place: 'this computer', embedded: true, running };
  const here = new Shown({ context: 'trainjob-local', namespace: 'default', trouble: '', login: '/login' });
  const jobs = new Shown({ rows, trouble: rows === null ? 'no room' : '', open: [], panel: true });
  const room = { cpu: [1, 8], memory: [2 ** 30, 2 ** 32], gpus: [1, 4], gpu: 'H100' };
  const runtime = { kind: 'TrainingRuntime', framework: 'torch', nodes: 1, packages: [], gpus: 2 };
  const info = {
    clusters: [{ ...cluster, namespace: 'default', chosen: true }],
    namespaces: ['default'],
    hasAllNamespaces: true,
    nodes: [true, false].map((ready, i) => ({ name: `gpu-a-1${i}`, ready, ...room })),
    runtimes: [{ ...runtime, name: 'torch-distributed', image: 'img:1', python: '3.12' }],
    hidden: ['Mend it.']
  };
  const checks = ['ok', 'note', 'problem'].map(level => ({
    name: `H100${level[0]}`,
    level,
    text: 'no room'
  }));
  const nothing = (): undefined => undefined;
  const actions = { onGo: nothing, onOpen: nothing, onDelete: nothing, onNew: nothing };
  const props = {
    ...{
      channel: Object.assign(here, { jobs }) as unknown as Channel,
      where: { context: null, namespace: null }
    },
    ...{ info, ...actions, onStart: () => new Promise(nothing), onStop: () => new Promise(nothing) },
    onDoctor: () => Promise.resolve(checks.map(check => ({ ...check, remedy: 'Mend it.' })))
  };
  return <Panel {...(props as never as Parameters<typeof Panel>[0])} />;
}

const SIDE = [...DATA, 'trainjob-local', 'default', 'gpu-a-1', 'img:1', 'torch', 'H100o', 'H100n', 'H100p'];

test.each([
  ['with jobs', ROWS, true, 'Stop this cluster'],
  ['without', [], true, 'Stop this cluster'],
  ['of a stopped cluster', null, false, 'Start this cluster']
] as const)('the sidebar %s', async (_, rows, running, action) => {
  await act(() => render(panel(rows && [...rows], running), host));
  await act(async () => {
    const doctor = [...host.querySelectorAll('details')].at(-1);
    if (doctor) {
      doctor.open = true;
      doctor.dispatchEvent(new Event('toggle'));
    }
    await Promise.resolve();
  });
  expect(host.textContent).toContain('⟦Problem⟧');
  expect(untranslated(SIDE)).toEqual([]);
  await press(action);
  if (rows !== null && rows.length > 0) {
    await type(host.querySelector('input[type=search]'), 'zebra');
    expect(host.textContent).toContain('zebra');
  }
  expect(untranslated([...SIDE, 'zebra'])).toEqual([]);
});

const FIELDS: FormField[] = [
  { name: 'name', label: 'Name', hint: 'job', group: '', kind: 'text', default: 'job' },
  { name: 'runtime', label: 'Runtime', hint: '', group: '', kind: 'runtime', default: 'own' },
  { name: 'env', label: 'Environment', hint: 'a line each', group: 'more', kind: 'lines', default: '' }
];

test.each(['', 'a.ipynb'])('the form of a new job from %j', async notebook => {
  const nothing = (): undefined => undefined;
  const props = {
    fields: FIELDS,
    ...{ draft: new Draft(() => new Promise(nothing), { runtime: 'own' }), notebook, target: 'train' },
    ...{
      targets: [{ id: 'train', label: 'train()', refusal: '', preview: 'img:1', call: '', replaces: '' }],
      call: '',
      free: '',
      message: ''
    },
    ...{
      destination: {
        cluster: null,
        namespace: 'default',
        clusters: [],
        namespaces: [],
        elsewhere: 'img:1',
        trouble: ''
      }
    },
    ...{ onGo: nothing, callProblem: '', isSent: true, isBusy: false, asking: null, onConfirm: nothing },
    ...{ onRefuse: nothing, onOpenJob: nothing, onGoToCell: nothing },
    ...{ onTarget: nothing, onCall: nothing, onWrite: nothing, onRun: nothing }
  };
  const own = {
    name: 'own',
    kind: '',
    framework: 'torch',
    nodes: 1,
    image: 'img:1',
    python: '3.12',
    gpus: 1
  };
  await act(() => render(<NewJob {...props} runtimes={[{ ...own, packages: [] }]} />, host));
  // The default name of a job is `job`.
  expect(
    untranslated([
      ...SIDE,
      'a.ipynb',
      'train()',
      'own',
      'job',
      ...FIELDS.flatMap(field => [field.label, field.hint])
    ])
  ).toEqual([]);
});

test('settings look for their translation in the same catalogue as the page', () => {
  expect(schema['jupyter.lab.internationalization'].domain).toBe('jupyter_trainjob');
});
