/**
 * The sidebar and the form of a new job in a page of their own, for `tests/ui/sidebar.mjs` and `form.mjs`: a module with
 * the widget's interface, so that one harness hosts both. The server's answers are recorded, see
 * `tests/ui/scenes/channels.py`. Preact stands in for React as it does in the widget.
 */
import { createElement, render as draw } from 'preact';
import type { ReactElement } from 'react';

import type { Bytes, FromKernel } from '../src/core/protocol/messages';
import { type ConnectionProblem, Channel, type NamespaceRef } from '../src/core/jobs/jobStream';
import type { Check, Runtime } from '../src/lab/server/api';
import { callRefusal, targetsOf } from '../src/lab/newJob/cells';
import { type FieldValues, type DraftedJob, type FormField, initialValues } from '../src/lab/server/jobForm';
import type { DestinationView } from '../src/lab/newJob/destination';
import { Draft } from '../src/lab/newJob/draft';
import { NewJob } from '../src/lab/newJob/NewJob';
import type { ClusterInfo } from '../src/lab/sidebar/model';
import { Panel } from '../src/lab/sidebar/Panel';
import { useView } from '../src/ui/controls/useView';
import '../src/lab/newJob/form.css';
import '../src/lab/sidebar/sidebar.css';
import '../src/lab/style.css';
// Last, as a notebook adds the widget's rules after these: they must not change the page.
import '../src/ui/style/index.css';

/** The answer of a route; null: it has not answered yet. */
type Answered<T> = { answer: T } | { error: string } | null;

interface SidebarState {
  where: NamespaceRef;
  info: ClusterInfo;
  problem: ConnectionProblem | null;
  doctor: Answered<Check[]>;
  start: Answered<null>;
}

interface FormState {
  fields: FormField[];
  choice: FieldValues;
  destination: DestinationView;
  runtimes: Runtime[] | null;
  free: string;
  /** Texts of the notebook's cells, of which the last is current; null: no notebook is open. */
  cells: string[] | null;
  target: string;
  message: string;
  isSent: boolean;
  /** Whether Run was pressed and the destination has to be confirmed. */
  isConfirming: boolean;
  draft: Answered<DraftedJob>;
}

interface Model {
  get(name: 'kind' | 'state'): unknown;
  on(event: 'msg:custom', listener: (message: FromKernel, buffers: readonly Bytes[]) => void): void;
  send(message: object): void;
}

interface Hosted {
  model: Model;
  el: HTMLElement;
}

export default async (): Promise<object> => ({ initialize: () => undefined, render });

function render({ model, el }: Hosted): () => void {
  const host = document.createElement('div');
  el.append(host);
  if (model.get('kind') === 'sidebar') {
    host.className = 'tj-sidebar';
    host.style.height = '640px';
    draw(createElement(sidebar(model), null), host);
  } else {
    host.className = 'tj-tab';
    draw(createElement(form(model), null), host);
  }
  return () => draw(null, host);
}

function sidebar(model: Model): () => ReactElement {
  const state = model.get('state') as SidebarState;
  const channel = new Channel({ ...state.where, list: true }, message => model.send(message));
  model.on('msg:custom', (message, buffers) => {
    channel.receive(message, buffers);
    if (state.problem !== null) {
      channel.setProblem(state.problem);
    }
  });
  if (state.problem !== null) {
    channel.setProblem(state.problem);
  }
  return () => (
    <div className="tj-host">
      <Panel
        channel={channel}
        where={state.where}
        info={state.info}
        sort="newest"
        onSort={sort => model.send({ kind: 'sort', sort })}
        onGo={where => model.send({ kind: 'go', ...where })}
        onOpen={({ uid }) => model.send({ kind: 'open', job: uid })}
        onDelete={({ uid }) => model.send({ kind: 'delete', job: uid })}
        onAct={async ({ uid }, action) => (await channel.jobs.perform(uid, action)).note}
        loadFacts={row => Promise.resolve(row)}
        onNew={() => model.send({ kind: 'new' })}
        onStart={async () => void (await settled(state.start))}
        onStop={async () => void (await settled(state.start))}
        onDoctor={() => settled(state.doctor)}
      />
    </div>
  );
}

function form(model: Model): () => ReactElement {
  const state = model.get('state') as FormState;
  const draft = new Draft(() => settled(state.draft), state.choice);
  draft.begin(initialValues(state.fields));
  const count = state.cells?.length ?? 0;
  const current = state.cells && { text: state.cells.at(-1) ?? '', isCode: true, number: count, count };
  const targets = targetsOf(state.cells ?? [], current);
  const call = targets.find(item => item.id === state.target)?.call ?? '';
  const Shown = (): ReactElement => {
    const { drafted } = useView(draft);
    return (
      <div className="tj-host">
        <NewJob
          fields={state.fields}
          draft={draft}
          destination={state.destination}
          onGo={where => model.send({ kind: 'go', ...where })}
          runtimes={state.runtimes}
          targets={targets}
          target={state.target}
          onTarget={target => model.send({ kind: 'target', target })}
          call={call}
          callProblem={state.target === 'cell' ? '' : callRefusal(call)}
          onCall={call => model.send({ kind: 'call', call })}
          notebook={state.cells === null ? '' : 'experiments/digits.ipynb'}
          free={state.free}
          message={state.message}
          isSent={state.isSent}
          isBusy={false}
          asking={state.isConfirming ? drafted : null}
          onWrite={({ line }) => model.send({ kind: 'write', line })}
          onRun={({ line }) => model.send({ kind: 'run', line })}
          onConfirm={() => model.send({ kind: 'confirm' })}
          onRefuse={() => model.send({ kind: 'refuse' })}
          onOpenJob={() => model.send({ kind: 'open job' })}
          onGoToCell={() => model.send({ kind: 'go to cell' })}
        />
      </div>
    );
  };
  return Shown;
}

function settled<T>(answered: Answered<T>): Promise<T> {
  if (answered === null) {
    return new Promise(() => undefined);
  }
  return 'error' in answered ? Promise.reject(new Error(answered.error)) : Promise.resolve(answered.answer);
}
