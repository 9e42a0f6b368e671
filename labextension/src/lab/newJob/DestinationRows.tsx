/** The first rows of the form: the cluster and the namespace of the job. */
import type { ReactElement } from 'react';

import type { NamespaceRef } from '../../core/jobs/jobStream';
import { trans } from '../../core/i18n';
import type { DestinationView } from './destination';
import { Row } from './Row';

export interface DestinationRowsProps {
  /** The prefix of the elements' ids. */
  id: string;
  destination: DestinationView;
  onGo: (where: NamespaceRef) => void;
}

export function DestinationRows({ id, destination, onGo }: DestinationRowsProps): ReactElement {
  const { cluster, namespace, clusters, namespaces, elsewhere, trouble } = destination;
  return (
    <>
      <Row id={`${id}-cluster`} label={trans.__('Cluster')} problem={trouble}>
        <select
          id={`${id}-cluster`}
          className={cluster?.embedded === false ? 'tj-form-real' : ''}
          value={cluster?.name ?? ''}
          aria-invalid={trouble !== ''}
          aria-describedby={`${id}-cluster-problem`}
          onInput={event => onGo({ context: event.currentTarget.value, namespace: null })}
        >
          {cluster === null && <option value="">…</option>}
          {clusters.map(item => (
            <option key={item.name} value={item.name}>
              {item.place}
            </option>
          ))}
        </select>
      </Row>
      <Row id={`${id}-namespace`} label={trans.__('Namespace')} problem="">
        <select
          id={`${id}-namespace`}
          value={namespace}
          onInput={event => onGo({ context: cluster?.name ?? null, namespace: event.currentTarget.value })}
        >
          {[...new Set([namespace, ...namespaces])].map(name => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </Row>
      {elsewhere !== '' && <p className="tj-quiet">{trans.__('The sidebar shows %1.', elsewhere)}</p>}
    </>
  );
}
