/** The sidebar: where one is, what is free there, and the jobs. */
import { useEffect, useMemo, useState } from 'react';
import type { ReactElement } from 'react';

import type { Check, Runtime } from '../api';
import { meant } from '../clusters';
import type { Place, Where } from '../../core/stream';
import type { JobRow } from '../../core/types';
import { trans } from '../../core/words';
import { useView } from '../../ui/useView';
import { described } from '../runtime';
import { Trouble } from '../Trouble';
import { Capacity } from './Capacity';
import { Doctor } from './Doctor';
import { JobRows } from './JobRows';
import type { Known } from './model';
import { listed, type Sort, sorts } from './rows';

export interface PanelProps {
  place: Place;
  where: Where;
  known: Known;
  sort: Sort;
  onSort: (sort: Sort) => void;
  onGo: (where: Where) => void;
  onOpen: (row: JobRow) => void;
  /** Asks first. */
  onDelete: (row: JobRow) => void;
  onNew: () => void;
  onStart: () => Promise<void>;
  onStop: () => Promise<void>;
  onDoctor: () => Promise<readonly Check[]>;
}

const FILTER_FROM = 6;

export function Panel({
  place,
  where,
  known,
  sort,
  onSort,
  onGo,
  onOpen,
  onDelete,
  onNew,
  onStart,
  onStop,
  onDoctor
}: PanelProps): ReactElement {
  const { rows, trouble } = useView(place.jobs);
  const { trouble: away, login, context, namespace } = useView(place);
  const [text, filter] = useState('');
  const found = useMemo(() => listed(rows ?? [], { text, sort }), [rows, text, sort]);
  useEffect(() => filter(''), [place]);
  const cluster = meant(known.clusters, where.context ?? context);
  const why = away || trouble;
  return (
    <section className="tj-card tj-side" aria-label={trans.__('Training jobs')}>
      <header className="tj-side-head">
        <label>
          <span className="tj-unseen">{trans.__('Cluster')}</span>
          <select
            value={cluster?.name ?? ''}
            onInput={event => onGo({ context: event.currentTarget.value, namespace: null })}
          >
            {cluster === undefined && <option value="">{context ?? '…'}</option>}
            {known.clusters.map(each => (
              <option key={each.name} value={each.name}>
                {each.place}
              </option>
            ))}
          </select>
        </label>
        <label>
          <span className="tj-unseen">{trans.__('Namespace')}</span>
          <select
            value={namespace ?? ''}
            onInput={event =>
              onGo({ context: where.context ?? context, namespace: event.currentTarget.value })
            }
          >
            {[...new Set([...(namespace === null ? [] : [namespace]), ...known.namespaces])].map(name => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </label>
        <button type="button" className="tj-button" onClick={onNew}>
          {trans.__('+ New job')}
        </button>
      </header>
      <Trouble place={place} />
      {cluster?.running === false && (
        <p className="tj-side-note">
          <Deed words={[trans.__('Start this cluster'), trans.__('Starting…')]} onDo={onStart} />
        </p>
      )}
      <Capacity nodes={known.nodes} />
      {(login === '' ? known.hidden : []).map(why => (
        <p key={why} className="tj-quiet tj-side-note">
          {why}
        </p>
      ))}
      {((rows?.length ?? 0) >= FILTER_FROM || text !== '') && (
        // Lab would take the keys of a text for its own.
        <div className="tj-side-filter" onKeyDown={event => event.stopPropagation()}>
          <input
            type="search"
            aria-label={trans.__('Filter jobs')}
            placeholder={trans.__('Filter by name, state, reason')}
            value={text}
            onInput={event => filter(event.currentTarget.value)}
          />
          <label>
            <select
              aria-label={trans.__('Sort jobs')}
              value={sort}
              onInput={event => onSort(event.currentTarget.value as Sort)}
            >
              {sorts().map(([name, label]) => (
                <option key={name} value={name}>
                  {label}
                </option>
              ))}
            </select>
          </label>
        </div>
      )}
      {rows === null && why === '' && <p className="tj-empty">{trans.__('Looking for jobs…')}</p>}
      {rows?.length === 0 && (
        <p className="tj-empty">
          {trans.__('No jobs here yet. Write %1 on top of a cell, or choose “New job”.', '%%trainjob')}
        </p>
      )}
      <div role="status">
        {text !== '' && found.jobs === 0 && (
          <p className="tj-empty">{trans.__('No job matches “%1”.', text)}</p>
        )}
        {text !== '' && found.jobs > 0 && (
          <span className="tj-unseen">{trans._n('%1 job', '%1 jobs', found.jobs)}</span>
        )}
      </div>
      <JobRows listed={found} onOpen={onOpen} onDelete={onDelete} />
      <footer className="tj-side-foot">
        <Runtimes runtimes={known.runtimes} />
        <Doctor onAsk={onDoctor} />
        {cluster?.embedded === true && cluster.running === true && (
          <Deed words={[trans.__('Stop this cluster'), trans.__('Stopping…')]} onDo={onStop} />
        )}
      </footer>
    </section>
  );
}

function Runtimes({ runtimes }: { runtimes: readonly Runtime[] }): ReactElement | null {
  if (runtimes.length === 0) {
    return null;
  }
  return (
    <details>
      <summary>{trans._n('%1 runtime', '%1 runtimes', runtimes.length)}</summary>
      <ul className="tj-side-plain">
        {runtimes.map(each => (
          <li key={`${each.kind}/${each.name}`}>
            <b>{each.name}</b> <span className="tj-quiet">{described(each)}</span>
          </li>
        ))}
      </ul>
    </details>
  );
}

/** A button that says how its deed goes. */
function Deed({ words, onDo }: { words: [string, string]; onDo: () => Promise<void> }): ReactElement {
  const [state, set] = useState<'idle' | 'busy' | string>('idle');
  const [alive] = useState({ yes: true });
  useEffect(() => {
    alive.yes = true;
    return () => void (alive.yes = false);
  }, [alive]);
  const start = (): void => {
    set('busy');
    onDo().then(
      () => alive.yes && set('idle'),
      (error: Error) => alive.yes && set(error.message)
    );
  };
  return (
    <span className="tj-side-deed">
      <button
        type="button"
        className="tj-button"
        aria-disabled={state === 'busy'}
        onClick={() => state !== 'busy' && start()}
      >
        {state === 'busy' ? words[1] : words[0]}
      </button>
      <span role="status" className="tj-tone-bad">
        {state !== 'idle' && state !== 'busy' && state}
      </span>
    </span>
  );
}
