/** The sidebar: the cluster and namespace, the free capacity, and the jobs. */
import { useEffect, useMemo, useRef, useState } from 'react';
import type { ReactElement } from 'react';

import type { Check, Runtime } from '../server/api';
import { findCluster } from '../server/clusterChoice';
import type { Channel, NamespaceRef } from '../../core/jobs/jobStream';
import type { JobRow } from '../../core/jobTypes';
import { trans } from '../../core/i18n';
import { useView } from '../../ui/controls/useView';
import { runtimeText } from '../server/runtimeText';
import { ConnectionStatus } from '../views/ConnectionStatus';
import { Capacity } from './Capacity';
import { Doctor } from './Doctor';
import { JobRows, type RowCallbacks } from './JobRows';
import type { ClusterInfo } from './model';
import { layOut, type Sort, sortNames } from './rows';

export interface PanelProps {
  channel: Channel;
  where: NamespaceRef;
  info: ClusterInfo;
  sort: Sort;
  onSort: (sort: Sort) => void;
  onGo: (where: NamespaceRef) => void;
  onOpen: (row: JobRow) => void;
  /** Asks for confirmation first. */
  onDelete: (row: JobRow) => void;
  onAct: RowCallbacks['onAct'];
  loadFacts: RowCallbacks['loadFacts'];
  onNew: () => void;
  onStart: () => Promise<void>;
  onStop: () => Promise<void>;
  onDoctor: () => Promise<readonly Check[]>;
}

const FILTER_FROM = 6;

export function Panel({
  channel,
  where,
  info,
  sort,
  onSort,
  onGo,
  onOpen,
  onDelete,
  onAct,
  loadFacts,
  onNew,
  onStart,
  onStop,
  onDoctor
}: PanelProps): ReactElement {
  const { rows, trouble } = useView(channel.jobs);
  const { trouble: connectionTrouble, login, context, namespace } = useView(channel);
  const [text, filter] = useState('');
  const layout = useMemo(() => layOut(rows ?? [], { text, sort }), [rows, text, sort]);
  useEffect(() => filter(''), [channel]);
  const place = JSON.stringify([where.context ?? context, namespace]);
  const cluster = findCluster(info.clusters, where.context ?? context);
  const why = connectionTrouble || trouble;
  const isMissing = info.hasAllNamespaces && namespace !== null && !info.namespaces.includes(namespace);
  // An embedded cluster that is not running is not an error: it is started when needed.
  const isNotRunning = cluster?.running === false;
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
            {info.clusters.map(item => (
              <option key={item.name} value={item.name}>
                {item.place}
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
            {[...new Set([...(namespace === null ? [] : [namespace]), ...info.namespaces])].map(name => (
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
      <ConnectionStatus channel={channel} isCalm={isNotRunning} />
      {isNotRunning && (
        <p className="tj-side-note">
          <ActionButton
            key={`start ${place}`}
            labels={[trans.__('Start this cluster'), trans.__('Starting…')]}
            onDo={onStart}
          />
        </p>
      )}
      <Capacity nodes={info.nodes} />
      {(login === '' ? info.hidden : []).map(why => (
        <p key={why} className="tj-quiet tj-side-note">
          {why}
        </p>
      ))}
      {((rows?.length ?? 0) >= FILTER_FROM || text !== '') && (
        // JupyterLab would handle typed keys as shortcuts.
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
              {sortNames().map(([name, label]) => (
                <option key={name} value={name}>
                  {label}
                </option>
              ))}
            </select>
          </label>
        </div>
      )}
      {rows === null && why === '' && <p className="tj-empty">{trans.__('Looking for jobs…')}</p>}
      {isNotRunning && rows === null && (
        <p className="tj-empty">
          {trans.__('Write %1 on top of a cell, or choose “New job”.', '%%trainjob')}
        </p>
      )}
      {rows?.length === 0 && (
        <p className="tj-empty">
          {isMissing
            ? trans.__(
                'There is no namespace %1 on this cluster. Choose another one above, or create it with “kubectl create namespace %1”.',
                namespace
              )
            : trans.__('No jobs here yet. Write %1 on top of a cell, or choose “New job”.', '%%trainjob')}
        </p>
      )}
      <div role="status">
        {text !== '' && layout.jobs === 0 && (
          <p className="tj-empty">{trans.__('No job matches “%1”.', text)}</p>
        )}
        {text !== '' && layout.jobs > 0 && (
          <span className="tj-unseen">{trans._n('%1 job', '%1 jobs', layout.jobs)}</span>
        )}
      </div>
      <JobRows listed={layout} onOpen={onOpen} onDelete={onDelete} onAct={onAct} loadFacts={loadFacts} />
      <footer className="tj-side-foot">
        <Runtimes runtimes={info.runtimes} />
        <Doctor key={`doctor ${place}`} onLoad={onDoctor} />
        {cluster?.embedded === true && cluster.running === true && (
          <ActionButton
            key={`stop ${place}`}
            labels={[trans.__('Stop this cluster'), trans.__('Stopping…')]}
            onDo={onStop}
          />
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
        {runtimes.map(runtime => (
          <li key={`${runtime.kind}/${runtime.name}`}>
            <b>{runtime.name}</b> <span className="tj-quiet">{runtimeText(runtime)}</span>
          </li>
        ))}
      </ul>
    </details>
  );
}

/** A button for an action, which shows its progress and error. */
function ActionButton({
  labels,
  onDo
}: {
  labels: [string, string];
  onDo: () => Promise<void>;
}): ReactElement {
  const [state, set] = useState<'idle' | 'busy' | string>('idle');
  const isMounted = useRef(true);
  useEffect(() => {
    isMounted.current = true;
    return () => void (isMounted.current = false);
  }, []);
  const start = (): void => {
    set('busy');
    onDo().then(
      () => isMounted.current && set('idle'),
      (error: Error) => isMounted.current && set(error.message)
    );
  };
  return (
    <span className="tj-side-action">
      <button
        type="button"
        className="tj-button"
        aria-disabled={state === 'busy'}
        onClick={() => state !== 'busy' && start()}
      >
        {state === 'busy' ? labels[1] : labels[0]}
      </button>
      <span role="status" className="tj-tone-bad">
        {state !== 'idle' && state !== 'busy' && state}
      </span>
    </span>
  );
}
