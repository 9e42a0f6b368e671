/** The form of a new job. It writes the line of `%%trainjob`; the notebook's kernel does the rest. */
import { useId } from 'react';
import type { ReactElement, ReactNode } from 'react';

import { trans } from '../../core/words';
import { useView } from '../../ui/useView';
import type { Runtime } from '../api';
import { described } from '../runtime';
import { EMPTY, type Field } from './choice';
import type { Draft } from './draft';

/** What can run: the current cell, or a function. */
export interface Target {
  id: string;
  label: string;
  /** Why it cannot run; empty if it can. */
  refusal: string;
  /** Of a function: how it is called, to begin with. */
  call: string;
}

export interface NewJobProps {
  draft: Draft;
  /** Null before they are known. */
  runtimes: readonly Runtime[] | null;
  targets: readonly Target[];
  target: string;
  onTarget: (id: string) => void;
  /** Of a function: how it is called. */
  call: string;
  onCall: (call: string) => void;
  /** Name of the notebook; empty where none is open. */
  notebook: string;
  free: string;
  /** What came of the last deed, in words. */
  said: string;
  onWrite: (line: string) => void;
  onRun: (line: string) => void;
}

const often = (): readonly [Field, string, string][] => [
  ['nodes', trans.__('Nodes'), '1'],
  ['gpus', trans.__('GPUs of each'), trans.__('none')],
  ['cpus', trans.__('CPUs of each'), trans.__('as the runtime')],
  ['memory', trans.__('Memory of each'), trans.__('such as 4Gi')]
];
const rarely = (): readonly [Field, string, string][] => [
  ['procs_per_node', trans.__('Ranks on each node'), trans.__('one for each GPU, else one')],
  ['image', trans.__('Image'), trans.__('of the runtime')],
  ['out', trans.__('Names to bring back'), trans.__('weights, history')],
  ['secrets', trans.__('Secrets'), trans.__('NAME, NAME=ENV')],
  ['retries', trans.__('Retries'), '0'],
  ['deadline', trans.__('Deadline'), trans.__('none, such as 2h30m')],
  ['storage', trans.__('Storage'), trans.__('pvc://CLAIM, s3://…')]
];

export function NewJob(props: NewJobProps): ReactElement {
  const { draft, runtimes, targets, target, notebook, free, said } = props;
  const { choice, drafted, before, trouble } = useView(draft);
  const id = useId();
  const problems = before?.problems ?? [];
  const chosen = targets.find(each => each.id === target);
  const runtime = runtimes?.find(each => each.name === choice.runtime);
  const blocked =
    notebook === '' ? trans.__('Open a notebook first: what runs comes from it.') : (chosen?.refusal ?? '');
  const line = drafted !== null && problems.length === 0 && blocked === '' ? drafted.line : '';
  const field = ([name, label, hint]: readonly [Field, string, string]): ReactElement => (
    <Row key={name} id={`${id}-${name}`} label={label} problem={of(problems, name)}>
      <input
        id={`${id}-${name}`}
        value={choice[name]}
        placeholder={hint}
        aria-invalid={of(problems, name) !== ''}
        aria-describedby={`${id}-${name}-problem`}
        onInput={event => draft.set(name, event.currentTarget.value)}
      />
    </Row>
  );
  return (
    <form
      className="tj-card tj-form"
      aria-label={trans.__('New training job')}
      onSubmit={event => event.preventDefault()}
      // Lab would take the keys of a text for its own.
      onKeyDown={event => event.stopPropagation()}
    >
      <h3 className="tj-name">{trans.__('New training job')}</h3>
      <p className="tj-quiet">
        {notebook === '' ? trans.__('No notebook is open.') : trans.__('From %1', notebook)}
      </p>
      <Row id={`${id}-target`} label={trans.__('What runs')} problem={blocked}>
        <select
          id={`${id}-target`}
          value={target}
          aria-invalid={blocked !== ''}
          aria-describedby={`${id}-target-problem`}
          onInput={event => props.onTarget(event.currentTarget.value)}
        >
          {targets.map(each => (
            <option key={each.id} value={each.id}>
              {each.label}
            </option>
          ))}
        </select>
      </Row>
      {target !== 'cell' && (
        <Row id={`${id}-call`} label={trans.__('Call')} problem="">
          <input
            id={`${id}-call`}
            className="tj-code"
            value={props.call}
            onInput={event => props.onCall(event.currentTarget.value)}
          />
        </Row>
      )}
      {field(['name', trans.__('Name'), 'job'])}
      <Row id={`${id}-runtime`} label={trans.__('Runtime')} problem={of(problems, 'runtime')}>
        <select
          id={`${id}-runtime`}
          value={choice.runtime}
          aria-invalid={of(problems, 'runtime') !== ''}
          aria-describedby={`${id}-runtime-problem`}
          onInput={event => draft.set('runtime', event.currentTarget.value)}
        >
          <option value="">{trans.__('%1 (default)', 'torch-distributed')}</option>
          {(runtimes ?? [])
            .filter(each => each.name !== 'torch-distributed')
            .map(each => (
              <option key={each.name} value={each.name}>
                {each.name}
              </option>
            ))}
        </select>
      </Row>
      {runtime !== undefined && <p className="tj-quiet">{described(runtime)}</p>}
      <fieldset>
        <legend>{trans.__('Size')}</legend>
        {often().map(field)}
        {free !== '' && <p className="tj-quiet">{free}</p>}
      </fieldset>
      <details>
        <summary>{trans.__('More')}</summary>
        {rarely().map(field)}
        <Row id={`${id}-env`} label={trans.__('Environment')} problem={of(problems, 'env')}>
          <textarea
            id={`${id}-env`}
            rows={3}
            value={choice.env}
            placeholder={trans.__('NAME=VALUE, a line each')}
            aria-invalid={of(problems, 'env') !== ''}
            aria-describedby={`${id}-env-problem`}
            onInput={event => draft.set('env', event.currentTarget.value)}
          />
        </Row>
      </details>
      <pre className="tj-form-line">{before === null && trouble === '' ? '…' : before?.line}</pre>
      <div className="tj-form-end" aria-live="polite">
        {of(problems, '') !== '' && <p className="tj-tone-bad">{of(problems, '')}</p>}
        {trouble !== '' && <p className="tj-tone-bad">{trouble}</p>}
        {before !== null && before.fit !== '' && <p className="tj-reason">{before.fit}</p>}
        {said !== '' && <p className="tj-quiet">{said}</p>}
      </div>
      <div className="tj-form-deeds">
        <button
          type="button"
          className="tj-button tj-button-first"
          aria-disabled={line === ''}
          onClick={() => line !== '' && props.onRun(line)}
        >
          {trans.__('Run')}
        </button>
        <button
          type="button"
          className="tj-button"
          aria-disabled={line === ''}
          onClick={() => line !== '' && props.onWrite(line)}
        >
          {trans.__('Write into notebook')}
        </button>
      </div>
    </form>
  );
}

interface RowProps {
  id: string;
  label: string;
  problem: string;
  children: ReactNode;
}

function Row({ id, label, problem, children }: RowProps): ReactElement {
  return (
    <div className="tj-form-row">
      <label htmlFor={id}>{label}</label>
      {children}
      <span id={`${id}-problem`} className="tj-form-problem tj-tone-bad">
        {problem}
      </span>
    </div>
  );
}

/** What is wrong with a field; with '' what is wrong with none in particular. */
function of(problems: readonly { field: string; text: string }[], field: Field | ''): string {
  const known = (name: string): boolean => name in EMPTY;
  return problems
    .filter(each => (field === '' ? !known(each.field) : each.field === field))
    .map(each => each.text)
    .join(' ');
}
