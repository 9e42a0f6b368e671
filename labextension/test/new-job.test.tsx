import { beforeEach, describe, expect, test, vi } from 'vitest';
import { createElement, render } from 'preact';
import { act } from 'preact/test-utils';

import {
  callRefusal,
  cellToRun,
  functionsOf,
  loadsExtension,
  cellRefusal,
  targetsOf,
  withLine
} from '../src/lab/newJob/cells';
import {
  type FieldValues,
  type DraftedJob,
  nonEmpty,
  type FormField,
  initialValues
} from '../src/lab/server/jobForm';
import {
  markConfirmed,
  Destination,
  type DestinationView,
  isUnconfirmed
} from '../src/lab/newJob/destination';
import { Draft } from '../src/lab/newJob/draft';
import { ChosenNamespace } from '../src/lab/service/chosenNamespace';
import { NewJob, type NewJobProps } from '../src/lab/newJob/NewJob';

describe('code of a notebook that can become a job', () => {
  test.each([
    ['one without parameters', 'def train():\n    pass', [['train', 'train()']]],
    [
      'parameters without defaults',
      'def train(data, epochs=3, *, seed): pass',
      [['train', 'train(data=…, seed=…)']]
    ],
    [
      'a parameter that the notebook has',
      'data = [1]\ndef f(data, steps): pass',
      [['f', 'f(data, steps=…)']]
    ],
    ['one after it that it has', 'b: int = 2\ndef f(a, b): pass', [['f', 'f(a=…, b=b)']]],
    [
      'names of all kinds',
      'import numpy as np\nfrom x import (y, z as w)\na, b = 1, 2\nfor i in []: pass\ndef f(np, y, w, b, i): pass',
      [['f', 'f(np, y, w, b, i)']]
    ],
    [
      'a name of another function',
      'def g():\n    steps = 3\ndef f(steps): pass',
      [
        ['g', 'g()'],
        ['f', 'f(steps=…)']
      ]
    ],
    ['a comparison', 'steps == 3\ndef f(steps): pass', [['f', 'f(steps=…)']]],
    [
      'annotations and several lines',
      'def f(\n  a: dict[str, int],  # (why\n  b: int = 2,\n) -> None:\n  pass',
      [['f', 'f(a=…)']]
    ],
    ['a coroutine', 'async def f(x): pass', [['f', 'await f(x=…)']]],
    ['not a method', 'class A:\n    def f(self): pass', []],
    ['any number of arguments', 'def f(a, *rest, b): pass', [['f', 'f(a=…, b=…)']]],
    ['positional arguments', 'def f(a, /, b): pass', [['f', 'f(…, b=…)']]]
  ])('%s', (_, text, expected) => {
    expect(functionsOf([text]).map(({ name, call }) => [name, call])).toEqual(expected);
  });

  test('of a redefined function the newest definition is used', () => {
    expect(functionsOf(['def f(): pass', 'def g(): pass', 'def f(x): pass'])).toEqual([
      { name: 'g', call: 'g()' },
      { name: 'f', call: 'f(x=…)' }
    ]);
  });

  test.each([
    ['train()', '%%trainjob a\ntrain()'],
    ['%%trainjob old --nodes 3\ntrain()', '%%trainjob a\ntrain()'],
    ['\n\n  %%trainjob old\n\ntrain()\n', '%%trainjob a\ntrain()\n']
  ])('a line is put on top of %j', (text, expected) => {
    expect(withLine(text, '%%trainjob a')).toBe(expected);
  });

  test.each([
    ['', 'is empty'],
    ['%%bash\nls', 'begins with %%bash'],
    ['x = 1', ''],
    ['%%trainjob a\nx', '']
  ])('whether a cell %j can run', (text, why) => {
    const refusal = cellRefusal({ text, isCode: true });
    expect(refusal).toContain(why);
    expect(refusal === '').toBe(why === '');
    expect(cellRefusal({ text, isCode: false })).toContain('is not a code cell');
  });

  test.each([
    ['train(steps=…)', 'Replace … with a value for steps.'],
    ['train(…, 3)', 'Replace … with a value.'],
    ['  ', 'Write how the function is called'],
    ['train(steps=20)', ''],
    ['train("and so on…", \'…\')', '']
  ])('whether the call %j can run', (call, why) => {
    expect(callRefusal(call)).toContain(why);
    expect(callRefusal(call) === '').toBe(why === '');
  });

  test('the current cell is shown with its number and the beginning of its text', () => {
    const current = { text: '\na = 1\nb = 2\nc = 3\nd = 4\ne = 5', isCode: true, number: 3, count: 7 };
    expect(targetsOf([], current)[0]).toMatchObject({
      label: 'The current cell (3 of 7)',
      preview: 'a = 1\nb = 2\nc = 3\n…',
      replaces: ''
    });
  });

  test('the magic line of the current cell is what the form replaces', () => {
    const current = { text: '\n%%trainjob slow --nodes 2\n1', isCode: true, number: 1, count: 1 };
    expect(targetsOf([], current)[0]?.replaces).toBe('%%trainjob slow --nodes 2');
  });

  test.each([
    ['the current cell', ['a', 'b', 'c'], 1, 1],
    ['the nearest cell above an empty one', ['a', 'b', ' ', 'c'], 2, 1],
    ['the nearest cell below one that has only magics', ['%load_ext x\n# why', '', 'b', 'c'], 0, 2],
    ['a cell that was sent before', ['%%trainjob a\nb', '%trainjob list'], 1, 0],
    ['the current cell if all others have another language', ['%%bash\nls', ''], 1, 1]
  ])('a new form selects %s', (_, cells, current, expected) => {
    expect(cellToRun(cells, current)).toBe(expected);
  });

  test('a notebook that loads the extension is detected', () => {
    expect(loadsExtension(['import torch\n%load_ext jupyter_trainjob'])).toBe(true);
    expect(loadsExtension(['# load_ext jupyter_trainjob', 'x'])).toBe(false);
  });
});

const FIELDS: FormField[] = [
  { name: 'name', label: 'Name', hint: 'job', group: '', kind: 'text', default: 'job' },
  { name: 'runtime', label: 'Runtime', hint: '', group: '', kind: 'runtime', default: 'torch-distributed' },
  { name: 'nodes', label: 'Nodes', hint: '1', group: 'size', kind: 'text', default: '1' },
  { name: 'memory', label: 'Memory', hint: 'such as 4Gi', group: 'size', kind: 'text', default: '' },
  { name: 'env', label: 'Environment', hint: 'NAME=VALUE', group: 'more', kind: 'lines', default: '' }
];

test('fields start with their defaults, and empty ones are not sent', () => {
  const draft = new Draft(() => new Promise(() => undefined), { nodes: '8', env: ' ' });
  draft.begin(initialValues(FIELDS));
  expect(draft.view().choice).toEqual({ name: 'job', runtime: '', nodes: '8', memory: '', env: ' ' });
  expect(nonEmpty(draft.view().choice)).toEqual({ name: 'job', nodes: '8' });
});

const CLUSTER = {
  name: 'trainjob-local',
  place: 'this computer',
  embedded: true,
  running: true,
  namespace: 'default',
  chosen: true
};
const HERE: DestinationView = {
  cluster: CLUSTER,
  namespace: 'default',
  clusters: [CLUSTER],
  namespaces: ['default'],
  elsewhere: '',
  trouble: ''
};
const FINE: DraftedJob = { line: '%%trainjob job', full: '%%trainjob job', problems: [], fit: '' };

describe('a draft', () => {
  beforeEach(() => void vi.useFakeTimers());

  test('is requested when typing pauses, and only the newest answer is used', async () => {
    const requests: { options: FieldValues; answer: (drafted: DraftedJob) => void }[] = [];
    const draft = new Draft(
      options => new Promise(resolve => void requests.push({ options, answer: resolve }))
    );
    draft.set('nodes', '2');
    draft.set('nodes', '23');
    await vi.advanceTimersByTimeAsync(300);
    expect(requests.map(request => request.options.nodes)).toEqual(['23']);
    draft.set('nodes', '4');
    await vi.advanceTimersByTimeAsync(300);
    requests[1]?.answer({ line: 'new', full: 'new', problems: [], fit: '' });
    requests[0]?.answer({ line: 'old', full: 'old', problems: [], fit: '' });
    await vi.advanceTimersByTimeAsync(0);
    expect(draft.view().drafted?.line).toBe('new');
  });

  test('shows why there is none', async () => {
    const draft = new Draft(() => Promise.reject(new Error('The server is away.')));
    draft.reload();
    await vi.advanceTimersByTimeAsync(300);
    expect(draft.view()).toMatchObject({ drafted: null, trouble: 'The server is away.' });
  });
});

describe('the form', () => {
  beforeEach(() => void vi.useFakeTimers());

  async function show(
    drafted: DraftedJob,
    props: Partial<NewJobProps> = {},
    choice: FieldValues = {}
  ): Promise<HTMLElement> {
    const draft = new Draft(() => Promise.resolve(drafted), choice);
    draft.reload();
    await vi.advanceTimersByTimeAsync(300);
    const host = document.createElement('div');
    document.body.replaceChildren(host);
    const all: NewJobProps = {
      fields: FIELDS,
      draft,
      destination: HERE,
      onGo: () => undefined,
      runtimes: [],
      targets: [{ id: 'cell', label: 'The current cell', refusal: '', preview: '', call: '', replaces: '' }],
      target: 'cell',
      onTarget: () => undefined,
      call: '',
      onCall: () => undefined,
      notebook: 'a.ipynb',
      free: '',
      callProblem: '',
      message: '',
      isSent: false,
      isBusy: false,
      asking: null,
      onConfirm: () => undefined,
      onRefuse: () => undefined,
      onOpenJob: () => undefined,
      onGoToCell: () => undefined,
      onWrite: () => undefined,
      onRun: () => undefined,
      ...props
    };
    await act(() => render(createElement(NewJob, all), host));
    return host;
  }
  const button = (host: HTMLElement, name: string): HTMLButtonElement =>
    [...host.querySelectorAll('button')].find(item => item.textContent === name) as HTMLButtonElement;

  test('passes on the magic line', async () => {
    const onRun = vi.fn();
    const drafted = { line: '%%trainjob job', full: '%%trainjob job --context a', problems: [], fit: '' };
    const host = await show(drafted, { onRun });
    button(host, 'Run').click();
    expect(onRun).toHaveBeenCalledWith(drafted);
  });

  test.each([
    ['%%trainjob slow --nodes 2', true],
    ['%%trainjob job', false],
    ['', false]
  ])('warns that it replaces the line %j', async (replaces, isWarned) => {
    const target = { id: 'cell', label: 'The current cell', refusal: '', preview: '', call: '', replaces };
    const drafted = { line: '%%trainjob job', full: '', problems: [], fit: '' };
    const host = await show(drafted, { targets: [target] });
    expect(host.textContent.includes('Run replaces the first line')).toBe(isWarned);
  });

  test('shows errors next to their fields, and sends nothing', async () => {
    const onRun = vi.fn();
    const problems = [
      { field: 'memory', text: 'Write it as 4Gi.' },
      { field: 'future', text: 'Of no field.' }
    ];
    const host = await show({ line: '', full: '', problems, fit: '' }, { onRun });
    const input = [...host.querySelectorAll('input')].find(item => item.id.endsWith('-memory'));
    expect(input?.getAttribute('aria-invalid')).toBe('true');
    expect(document.getElementById(input?.getAttribute('aria-describedby') ?? '')?.textContent).toBe(
      'Write it as 4Gi.'
    );
    expect(host.querySelector('.tj-form-end')?.textContent).toContain('Of no field.');
    button(host, 'Run').click();
    expect(onRun).not.toHaveBeenCalled();
  });

  test('sends nothing without a notebook', async () => {
    const onWrite = vi.fn();
    const host = await show({ ...FINE }, { notebook: '', onWrite });
    button(host, 'Write into notebook').click();
    expect(onWrite).not.toHaveBeenCalled();
    expect(host.textContent).toContain('Open a notebook first');
  });

  test.each([
    ['a call that has blanks', { target: 'train', callProblem: 'Write a value for steps.' }],
    ['an unknown destination', { destination: { ...HERE, cluster: null } }],
    ['a deed that goes on', { isBusy: true }]
  ])('sends nothing with %s', async (_, props) => {
    const onRun = vi.fn();
    const host = await show(FINE, { ...props, onRun });
    button(host, 'Run').click();
    expect(onRun).not.toHaveBeenCalled();
    expect(button(host, 'Run').getAttribute('aria-disabled')).toBe('true');
  });

  test('has a row for each field, in its group and of its kind', async () => {
    const host = await show(FINE);
    const labels = (selector: string): (string | null)[] =>
      [...host.querySelectorAll(`${selector} label`)].map(element => element.textContent);
    expect(labels('fieldset')).toEqual(['Nodes', 'Memory']);
    expect(labels('details')).toEqual(['Environment']);
    expect(host.querySelector('textarea')?.id).toMatch(/-env$/);
    expect(host.querySelector('select[id$="-runtime"]')?.textContent).toBe('torch-distributed (default)');
  });

  test('a selected runtime stays visible if the cluster does not have it', async () => {
    const host = await show(FINE, { runtimes: [] }, { runtime: 'of-another' });
    expect(host.querySelector<HTMLSelectElement>('select[id$="-runtime"]')?.value).toBe('of-another');
  });
});

describe('the destination', () => {
  const PROD = {
    ...CLUSTER,
    name: 'prod',
    place: 'prod',
    embedded: false,
    running: null,
    chosen: false,
    namespace: 'ml'
  };

  function made(): { sidebar: ChosenNamespace; destination: Destination; changed: ReturnType<typeof vi.fn> } {
    const nowhere = { getItem: () => null, setItem: () => undefined };
    const sidebar = new ChosenNamespace(nowhere, nowhere);
    const changed = vi.fn();
    const api = {
      clusters: () => Promise.resolve({ clusters: [CLUSTER, PROD], why: '' }),
      namespaces: (context: string | null) => Promise.resolve({ namespaces: [`of ${context}`], why: '' })
    };
    const destination = new Destination(sidebar, api, changed);
    destination.follow();
    return { sidebar, destination, changed };
  }
  const place = (destination: Destination): unknown[] => {
    const { cluster, namespace, elsewhere } = destination.view();
    return [cluster?.name, namespace, elsewhere];
  };
  const settled = (): Promise<unknown> => vi.advanceTimersByTimeAsync(0);
  beforeEach(() => void vi.useFakeTimers());

  test('is that of the sidebar, until it is chosen in the form', async () => {
    const { sidebar, destination, changed } = made();
    expect(place(destination)[0]).toBeUndefined();
    await settled();
    expect(place(destination)).toEqual(['trainjob-local', 'default', '']);
    sidebar.choose({ context: 'prod', namespace: null });
    expect(place(destination)).toEqual(['prod', 'ml', '']);
    expect(destination.view().namespaces).toEqual([]);
    await settled();
    expect(destination.view().namespaces).toEqual(['of prod']);
    sidebar.choose({ context: null, namespace: null });
    await settled();
    expect(place(destination)).toEqual(['trainjob-local', 'default', '']);
    expect(changed).toHaveBeenCalledTimes(3);

    destination.choose({ context: 'prod', namespace: 'team' });
    expect(place(destination)).toEqual(['prod', 'team', 'this computer / default']);
    sidebar.choose({ context: 'prod', namespace: null });
    expect(place(destination)).toEqual(['prod', 'team', 'prod / ml']);
    destination.follow();
    expect(place(destination)).toEqual(['prod', 'ml', '']);
  });

  test('is empty, with a message, if its context no longer exists', async () => {
    const { destination } = made();
    destination.choose({ context: 'gone', namespace: null });
    await settled();
    expect(destination.view()).toMatchObject({
      cluster: null,
      trouble: 'There is no context “gone” any more: choose another.'
    });
  });

  test('ignores answers for a previous destination', async () => {
    const { destination } = made();
    destination.choose({ context: 'prod', namespace: null });
    destination.choose({ context: 'trainjob-local', namespace: null });
    await settled();
    expect(destination.view()).toMatchObject({ namespace: 'default', namespaces: ['of trainjob-local'] });
  });

  test('is confirmed once for each real cluster', () => {
    expect(isUnconfirmed(CLUSTER)).toBe(false);
    expect(isUnconfirmed(PROD)).toBe(true);
    markConfirmed(PROD);
    expect(isUnconfirmed(PROD)).toBe(false);
    expect(isUnconfirmed({ ...PROD, name: 'other' })).toBe(true);
  });
});

test('problems of one destination are not shown for another', async () => {
  vi.useFakeTimers();
  const draft = new Draft(() => Promise.resolve(FINE));
  draft.reload();
  await vi.advanceTimersByTimeAsync(300);
  expect(draft.view().before).toEqual(FINE);
  draft.restart();
  expect(draft.view()).toMatchObject({ drafted: null, before: null, trouble: '' });
});
