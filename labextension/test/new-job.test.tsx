import { beforeEach, describe, expect, test, vi } from 'vitest';
import { createElement, render } from 'preact';
import { act } from 'preact/test-utils';

import { functions, loads, refusal, withLine } from '../src/lab/newJob/cells';
import { type Drafted, EMPTY, options } from '../src/lab/newJob/choice';
import { Draft } from '../src/lab/newJob/draft';
import { NewJob, type NewJobProps } from '../src/lab/newJob/NewJob';

describe('what of a notebook can become a job', () => {
  test.each([
    ['one without parameters', 'def train():\n    pass', [['train', 'train()']]],
    ['parameters without defaults', 'def train(data, epochs=3, *, seed): pass', [['train', 'train(data)']]],
    [
      'annotations and several lines',
      'def f(\n  a: dict[str, int],  # (why\n  b: int = 2,\n) -> None:\n  pass',
      [['f', 'f(a)']]
    ],
    ['a coroutine', 'async def f(x): pass', [['f', 'await f(x)']]],
    ['no method', 'class A:\n    def f(self): pass', []],
    ['any number of arguments', 'def f(a, *rest, b): pass', [['f', 'f(a)']]],
    ['positional ones', 'def f(a, /, b): pass', [['f', 'f(a, b)']]]
  ])('%s', (_, text, found) => {
    expect(functions([text]).map(({ name, call }) => [name, call])).toEqual(found);
  });

  test('of a function that was defined again the newest counts', () => {
    expect(functions(['def f(): pass', 'def g(): pass', 'def f(x): pass'])).toEqual([
      { name: 'g', call: 'g()' },
      { name: 'f', call: 'f(x)' }
    ]);
  });

  test.each([
    ['train()', '%%trainjob a\ntrain()'],
    ['%%trainjob old --nodes 3\ntrain()', '%%trainjob a\ntrain()'],
    ['\n\n  %%trainjob old\n\ntrain()\n', '%%trainjob a\ntrain()\n']
  ])('a line is put on top of %j', (text, found) => {
    expect(withLine(text, '%%trainjob a')).toBe(found);
  });

  test.each([
    ['', 'is empty'],
    ['%%bash\nls', 'begins with %%bash'],
    ['x = 1', ''],
    ['%%trainjob a\nx', '']
  ])('of %j is said', (text, why) => {
    expect(refusal(text)).toContain(why);
    expect(refusal(text) === '').toBe(why === '');
  });

  test('a notebook that loads the extension is known', () => {
    expect(loads(['import torch\n%load_ext jupyter_trainjob'])).toBe(true);
    expect(loads(['# load_ext jupyter_trainjob', 'x'])).toBe(false);
  });
});

test('only what was chosen is asked for, in its type', () => {
  const choice = {
    ...EMPTY,
    nodes: '8',
    gpus: 'two',
    env: 'A=1\nB=x=y\n\nC',
    secrets: 'TOKEN, KEY=ENV,',
    out: 'w'
  };
  expect(options(choice)).toEqual({
    name: 'job',
    nodes: 8,
    gpus: 'two',
    env: { A: '1', B: 'x=y', C: '' },
    secrets: ['TOKEN', 'KEY=ENV'],
    out: ['w']
  });
});

describe('a draft', () => {
  beforeEach(() => void vi.useFakeTimers());

  test('is asked for when the typing pauses, and only its newest answer counts', async () => {
    const asked: { options: Record<string, unknown>; answer: (drafted: Drafted) => void }[] = [];
    const draft = new Draft(
      given => new Promise(resolve => void asked.push({ options: given, answer: resolve }))
    );
    draft.set('nodes', '2');
    draft.set('nodes', '23');
    await vi.advanceTimersByTimeAsync(300);
    expect(asked.map(each => each.options.nodes)).toEqual([23]);
    draft.set('nodes', '4');
    await vi.advanceTimersByTimeAsync(300);
    asked[1]?.answer({ line: 'new', problems: [], fit: '' });
    asked[0]?.answer({ line: 'old', problems: [], fit: '' });
    await vi.advanceTimersByTimeAsync(0);
    expect(draft.view().drafted?.line).toBe('new');
  });

  test('says why there is none', async () => {
    const draft = new Draft(() => Promise.reject(new Error('The server is away.')));
    draft.renew();
    await vi.advanceTimersByTimeAsync(300);
    expect(draft.view()).toMatchObject({ drafted: null, trouble: 'The server is away.' });
  });
});

describe('the form', () => {
  beforeEach(() => void vi.useFakeTimers());

  async function show(drafted: Drafted, props: Partial<NewJobProps> = {}): Promise<HTMLElement> {
    const draft = new Draft(() => Promise.resolve(drafted));
    draft.renew();
    await vi.advanceTimersByTimeAsync(300);
    const host = document.createElement('div');
    document.body.replaceChildren(host);
    const all: NewJobProps = {
      draft,
      runtimes: [],
      targets: [{ id: 'cell', label: 'The current cell', refusal: '', call: '' }],
      target: 'cell',
      onTarget: () => undefined,
      call: '',
      onCall: () => undefined,
      notebook: 'a.ipynb',
      free: '',
      said: '',
      onWrite: () => undefined,
      onRun: () => undefined,
      ...props
    };
    await act(() => render(createElement(NewJob, all), host));
    return host;
  }
  const button = (host: HTMLElement, name: string): HTMLButtonElement =>
    [...host.querySelectorAll('button')].find(each => each.textContent === name) as HTMLButtonElement;

  test('hands on the line', async () => {
    const onRun = vi.fn();
    const host = await show({ line: '%%trainjob job --nodes 2', problems: [], fit: '' }, { onRun });
    button(host, 'Run').click();
    expect(onRun).toHaveBeenCalledWith('%%trainjob job --nodes 2');
  });

  test('says what is wrong beside its field, and sends nothing', async () => {
    const onRun = vi.fn();
    const problems = [
      { field: 'memory', text: 'Write it as 4Gi.' },
      { field: 'future', text: 'Of no field.' }
    ];
    const host = await show({ line: '', problems, fit: '' }, { onRun });
    const input = [...host.querySelectorAll('input')].find(each => each.id.endsWith('-memory'));
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
    const host = await show({ line: '%%trainjob job', problems: [], fit: '' }, { notebook: '', onWrite });
    button(host, 'Write into notebook').click();
    expect(onWrite).not.toHaveBeenCalled();
    expect(host.textContent).toContain('Open a notebook first');
  });
});
