/** Nothing that people read of the sidebar or the form is left out of translation. */
import { render } from 'preact';
import type { ReactElement } from 'react';
import { act } from 'preact/test-utils';
import { expect, test } from 'vitest';

import schema from '../schema/commands.json';
import { Held } from '../src/core/held';
import type { Place } from '../src/core/stream';
import type { JobRow } from '../src/core/types';
import { Draft } from '../src/lab/newJob/draft';
import { NewJob } from '../src/lab/newJob/NewJob';
import { Panel } from '../src/lab/sidebar/Panel';
import { DATA, forgotten, host, press, ROWS, type } from './marked';

class Shown extends Held<Record<string, unknown>> {}

function panel(rows: JobRow[] | null, running: boolean): ReactElement {
  const cluster = { name: 'trainjob-local', place: 'this computer', embedded: true, running };
  const here = new Shown({ context: 'trainjob-local', namespace: 'default', trouble: '', login: '/login' });
  const jobs = new Shown({ rows, trouble: rows === null ? 'no room' : '', open: [], panel: true });
  const room = { cpu: [1, 8], memory: [2 ** 30, 2 ** 32], gpus: [1, 4], gpu: 'H100' };
  const runtime = { kind: 'TrainingRuntime', framework: 'torch', nodes: 1, packages: [], gpus: 2 };
  const known = {
    clusters: [{ ...cluster, namespace: 'default', chosen: true }],
    namespaces: ['default'],
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
  const deeds = { onGo: nothing, onOpen: nothing, onDelete: nothing, onNew: nothing };
  const props = {
    ...{
      place: Object.assign(here, { jobs }) as unknown as Place,
      where: { context: null, namespace: null }
    },
    ...{ known, ...deeds, onStart: () => new Promise(nothing), onStop: () => new Promise(nothing) },
    onDoctor: () => Promise.resolve(checks.map(each => ({ ...each, remedy: 'Mend it.' })))
  };
  return <Panel {...(props as never as Parameters<typeof Panel>[0])} />;
}

const SIDE = [...DATA, 'trainjob-local', 'default', 'gpu-a-1', 'img:1', 'torch', 'H100o', 'H100n', 'H100p'];

test.each([
  ['with jobs', ROWS, true, 'Stop this cluster'],
  ['without', [], true, 'Stop this cluster'],
  ['of a cluster that is stopped', null, false, 'Start this cluster']
] as const)('the sidebar %s', async (_, rows, running, deed) => {
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
  expect(forgotten(SIDE)).toEqual([]);
  await press(deed);
  if (rows !== null && rows.length > 0) {
    await type(host.querySelector('input[type=search]'), 'zebra');
    expect(host.textContent).toContain('zebra');
  }
  expect(forgotten([...SIDE, 'zebra'])).toEqual([]);
});

test.each(['', 'a.ipynb'])('the form of a new job from %j', async notebook => {
  const nothing = (): undefined => undefined;
  const props = {
    ...{ draft: new Draft(() => new Promise(nothing), { runtime: 'own' }), notebook, target: 'train' },
    ...{ targets: [{ id: 'train', label: 'train()', refusal: '', call: '' }], call: '', free: '', said: '' },
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
  // A job is called `job` unless somebody says otherwise.
  expect(forgotten([...SIDE, 'a.ipynb', 'train()', 'own', 'job'])).toEqual([]);
});

test('settings look for their translation in the same catalogue as the page', () => {
  expect(schema['jupyter.lab.internationalization'].domain).toBe('jupyter_trainjob');
});
