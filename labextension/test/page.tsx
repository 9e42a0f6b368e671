/**
 * The sidebar and the form of a new job in a page of their own, for `tests/ui/sidebar.mjs` and `form.mjs`: a module with
 * the widget's interface, so that one harness hosts both. What a server would answer is recorded, see
 * `tests/ui/scenes/places.py`. Preact stands in for React as it does in the widget.
 */
import { createElement, render as draw } from 'preact';
import type { ReactElement } from 'react';

import type { Bytes, FromKernel } from '../src/core/protocol';
import { type Away, Place, type Where } from '../src/core/stream';
import type { Check, Runtime } from '../src/lab/api';
import { targetsOf } from '../src/lab/newJob/cells';
import type { Choice, Drafted } from '../src/lab/newJob/choice';
import { Draft } from '../src/lab/newJob/draft';
import { NewJob } from '../src/lab/newJob/NewJob';
import type { Known } from '../src/lab/sidebar/model';
import { Panel } from '../src/lab/sidebar/Panel';
import '../src/lab/newJob/form.css';
import '../src/lab/sidebar/sidebar.css';
import '../src/lab/style.css';
// Last, as where a notebook shows a widget, which brings its rules along: they are to change nothing.
import '../src/ui/style/index.css';

/** What a route answers; null: nothing yet. */
type Answered<T> = { answer: T } | { error: string } | null;

interface SidebarState {
  where: Where;
  known: Known;
  away: Away | null;
  doctor: Answered<Check[]>;
  start: Answered<null>;
}

interface FormState {
  choice: Partial<Choice>;
  runtimes: Runtime[] | null;
  free: string;
  /** Texts of the notebook's cells, the last is the current one; null: none is open. */
  cells: string[] | null;
  target: string;
  said: string;
  draft: Answered<Drafted>;
}

interface Model {
  get(name: 'kind' | 'state'): unknown;
  on(event: 'msg:custom', heard: (message: FromKernel, buffers: readonly Bytes[]) => void): void;
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
  const place = new Place({ ...state.where, list: true }, message => model.send(message));
  model.on('msg:custom', (message, buffers) => {
    place.receive(message, buffers);
    if (state.away !== null) {
      place.lost(state.away);
    }
  });
  if (state.away !== null) {
    place.lost(state.away);
  }
  return () => (
    <div className="tj-host">
      <Panel
        place={place}
        where={state.where}
        known={state.known}
        sort="newest"
        onSort={sort => model.send({ kind: 'sort', sort })}
        onGo={where => model.send({ kind: 'go', ...where })}
        onOpen={({ uid }) => model.send({ kind: 'open', job: uid })}
        onDelete={({ uid }) => model.send({ kind: 'delete', job: uid })}
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
  draft.renew();
  const targets = targetsOf(state.cells ?? [], state.cells && (state.cells.at(-1) ?? ''));
  return () => (
    <div className="tj-host">
      <NewJob
        draft={draft}
        runtimes={state.runtimes}
        targets={targets}
        target={state.target}
        onTarget={target => model.send({ kind: 'target', target })}
        call={targets.find(each => each.id === state.target)?.call ?? ''}
        onCall={call => model.send({ kind: 'call', call })}
        notebook={state.cells === null ? '' : 'experiments/digits.ipynb'}
        free={state.free}
        said={state.said}
        onWrite={line => model.send({ kind: 'write', line })}
        onRun={line => model.send({ kind: 'run', line })}
      />
    </div>
  );
}

function settled<T>(answered: Answered<T>): Promise<T> {
  if (answered === null) {
    return new Promise(() => undefined);
  }
  return 'error' in answered ? Promise.reject(new Error(answered.error)) : Promise.resolve(answered.answer);
}
