/** The form of a new job. It writes the `%%trainjob` line; the notebook's kernel sends the job. */
import { useId, useLayoutEffect, useRef } from 'react';
import type { ReactElement } from 'react';

import type { NamespaceRef } from '../../core/jobs/jobStream';
import { trans } from '../../core/i18n';
import { Question } from '../../ui/controls/Question';
import { useView } from '../../ui/controls/useView';
import type { Runtime } from '../server/api';
import { runtimeText } from '../server/runtimeText';
import type { DraftedJob, FormField, Problem } from '../server/jobForm';
import type { DestinationView } from './destination';
import { DestinationRows } from './DestinationRows';
import type { Draft } from './draft';
import { Row } from './Row';

/** Code that can run as a job: the current cell, or a function. */
export interface Target {
  id: string;
  label: string;
  /** Why it cannot run; empty if it can. */
  refusal: string;
  /** The first lines of the cell; empty for a function. */
  preview: string;
  /** The suggested call of a function. */
  call: string;
  /** Of a cell: the line of `%%trainjob` on top of it, which the form's line replaces; empty without one. */
  replaces: string;
}

export interface NewJobProps {
  /** Empty before they are known. */
  fields: readonly FormField[];
  draft: Draft;
  destination: DestinationView;
  onGo: (where: NamespaceRef) => void;
  /** Null before they are known. */
  runtimes: readonly Runtime[] | null;
  targets: readonly Target[];
  target: string;
  onTarget: (id: string) => void;
  /** The call of the function. */
  call: string;
  onCall: (call: string) => void;
  callProblem: string;
  /** Path of the notebook; empty if none is open. */
  notebook: string;
  free: string;
  /** The outcome of the last action. */
  message: string;
  /** Whether a job was sent that can be opened. */
  isSent: boolean;
  onOpenJob: () => void;
  onGoToCell: () => void;
  isBusy: boolean;
  onWrite: (drafted: DraftedJob) => void;
  onRun: (drafted: DraftedJob) => void;
  /** The job whose destination has to be confirmed. */
  asking: DraftedJob | null;
  onConfirm: () => void;
  onRefuse: () => void;
}

export function NewJob(props: NewJobProps): ReactElement {
  const { fields, draft, destination, runtimes, targets, target, notebook, free, message, isSent, isBusy } =
    props;
  const { choice, drafted, before, trouble } = useView(draft);
  const id = useId();
  const buttons = useRef<HTMLDivElement>(null);
  const isAsking = props.asking !== null && props.asking === drafted;
  const wasAsking = useRef(false);
  useLayoutEffect(() => {
    if (wasAsking.current && !isAsking) {
      buttons.current?.querySelector('button')?.focus();
    }
    wasAsking.current = isAsking;
  }, [isAsking]);
  const problems = before?.problems ?? [];
  const chosen = targets.find(item => item.id === target);
  const runtime = runtimes?.find(item => item.name === choice.runtime);
  const blocked =
    notebook === '' ? trans.__('Open a notebook first: its code is run.') : (chosen?.refusal ?? '');
  const isReady =
    destination.cluster !== null && problems.length === 0 && blocked + props.callProblem === '' && !isBusy;
  const ready = isReady && drafted !== null && drafted.line !== '' ? drafted : null;
  const names = runtimes === null ? [] : runtimes.map(item => item.name);
  const field = (item: FormField): ReactElement => (
    <Row
      key={item.name}
      id={`${id}-${item.name}`}
      label={item.label}
      problem={problemsOf(problems, item.name)}
    >
      <FieldInput
        field={item}
        id={`${id}-${item.name}`}
        value={choice[item.name] ?? ''}
        isInvalid={problemsOf(problems, item.name) !== ''}
        runtimes={names}
        onInput={text => draft.set(item.name, text)}
      />
    </Row>
  );
  const group = (name: FormField['group']): ReactElement[] =>
    fields.filter(item => item.group === name).map(field);
  const general = problems.filter(problem => !fields.some(item => item.name === problem.field));
  return (
    <form
      className="tj-card tj-form"
      aria-label={trans.__('New training job')}
      onSubmit={event => event.preventDefault()}
      // JupyterLab would handle typed keys as shortcuts.
      onKeyDown={event => event.stopPropagation()}
    >
      <h3 className="tj-name">{trans.__('New training job')}</h3>
      <DestinationRows id={id} destination={destination} onGo={props.onGo} />
      <p className="tj-quiet">
        {notebook === '' ? trans.__('No notebook is open.') : trans.__('From %1', notebook)}
      </p>
      <Row id={`${id}-target`} label={trans.__('Code to run')} problem={blocked}>
        <select
          id={`${id}-target`}
          value={target}
          aria-invalid={blocked !== ''}
          aria-describedby={`${id}-target-problem`}
          onInput={event => props.onTarget(event.currentTarget.value)}
        >
          {targets.map(item => (
            <option key={item.id} value={item.id}>
              {item.label}
            </option>
          ))}
        </select>
      </Row>
      {chosen !== undefined && chosen.preview !== '' && (
        <pre className="tj-form-preview">{chosen.preview}</pre>
      )}
      {chosen !== undefined && chosen.replaces !== '' && chosen.replaces !== before?.line && (
        <p className="tj-reason">{trans.__('Run replaces the first line of this cell by the line below.')}</p>
      )}
      {target !== 'cell' && (
        <Row id={`${id}-call`} label={trans.__('Call')} problem={props.callProblem}>
          <input
            id={`${id}-call`}
            className="tj-code"
            value={props.call}
            aria-invalid={props.callProblem !== ''}
            aria-describedby={`${id}-call-problem`}
            onInput={event => props.onCall(event.currentTarget.value)}
          />
        </Row>
      )}
      {group('')}
      {runtime !== undefined && <p className="tj-quiet">{runtimeText(runtime)}</p>}
      <fieldset>
        <legend>{trans.__('Size')}</legend>
        {group('size')}
        {free !== '' && <p className="tj-quiet">{free}</p>}
      </fieldset>
      <details>
        <summary>{trans.__('More')}</summary>
        {group('more')}
      </details>
      <pre className="tj-form-line">{before === null && trouble === '' ? '…' : before?.line}</pre>
      <div className="tj-form-end" aria-live="polite">
        {general.length > 0 && <p className="tj-tone-bad">{texts(general)}</p>}
        {trouble !== '' && <p className="tj-tone-bad">{trouble}</p>}
        {before !== null && before.fit !== '' && <p className="tj-reason">{before.fit}</p>}
        {message !== '' && <p className="tj-quiet">{message}</p>}
        {isSent && (
          <p className="tj-form-sent">
            {trans.__('Job sent.')} <Link text={trans.__('Open job')} onClick={props.onOpenJob} />
            <span aria-hidden="true"> · </span>
            <Link text={trans.__('Go to cell')} onClick={props.onGoToCell} />
          </p>
        )}
      </div>
      {isAsking ? (
        <Question texts={confirmationTexts(destination)} onYes={props.onConfirm} onNo={props.onRefuse} />
      ) : (
        <div className="tj-form-buttons" ref={buttons}>
          <button
            type="button"
            className="tj-button tj-button-first"
            aria-disabled={ready === null}
            onClick={() => ready !== null && props.onRun(ready)}
          >
            {trans.__('Run')}
          </button>
          <button
            type="button"
            className="tj-button"
            aria-disabled={ready === null}
            onClick={() => ready !== null && props.onWrite(ready)}
          >
            {trans.__('Write into notebook')}
          </button>
        </div>
      )}
    </form>
  );
}

const Link = ({ text, onClick }: { text: string; onClick: () => void }): ReactElement => (
  <button type="button" className="tj-form-link" onClick={onClick}>
    {text}
  </button>
);

function confirmationTexts({ cluster, namespace }: DestinationView): [string, string, string] {
  const place = cluster?.place ?? '';
  return [
    trans.__(
      'Send this job to the cluster %1, namespace %2? It is the first one there from this page.',
      place,
      namespace
    ),
    trans.__('Send to %1', place),
    trans.__('Do not send')
  ];
}

interface InputProps {
  field: FormField;
  id: string;
  value: string;
  isInvalid: boolean;
  /** Names of the cluster's runtimes. */
  runtimes: readonly string[];
  onInput: (text: string) => void;
}

/** The input element of a field. */
function FieldInput({ field, id, value, isInvalid, runtimes, onInput }: InputProps): ReactElement {
  const common = {
    id,
    value,
    'aria-invalid': isInvalid,
    'aria-describedby': `${id}-problem`,
    onInput: (event: { currentTarget: { value: string } }) => onInput(event.currentTarget.value)
  };
  if (field.kind === 'lines') {
    return <textarea {...common} rows={3} placeholder={field.hint} />;
  }
  if (field.kind === 'runtime') {
    return (
      <select {...common}>
        <option value="">{trans.__('%1 (default)', field.default)}</option>
        {/* A chosen runtime stays in the list if the cluster does not have it. */}
        {[...new Set([...runtimes, value])]
          .filter(name => name !== '' && name !== field.default)
          .map(name => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
      </select>
    );
  }
  return <input {...common} placeholder={field.hint} />;
}

const texts = (problems: readonly Problem[]): string => problems.map(problem => problem.text).join(' ');

/** The problems of a field, as a text. */
const problemsOf = (problems: readonly Problem[], field: string): string =>
  texts(problems.filter(problem => problem.field === field));
