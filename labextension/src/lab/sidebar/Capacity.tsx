/** The capacity of a cluster: the total, and each node on demand. */
import type { ReactElement } from 'react';

import { nodesText } from '../../core/format';
import { trans } from '../../core/i18n';
import type { NodeCapacity, FreeTotal } from '../server/api';
import { GIB, oneDecimal, sumOf, noRequestText } from '../server/capacityText';
import { Bar } from '../../ui/controls/Bar';

export function Capacity({ nodes }: { nodes: readonly NodeCapacity[] }): ReactElement | null {
  const ready = nodes.filter(node => node.ready);
  if (nodes.length === 0) {
    return null;
  }
  return (
    <section className="tj-side-capacity" aria-label={trans.__('Capacity')}>
      <Usage nodes={ready} />
      {nodes.length > 1 && (
        <details>
          <summary>{nodesText(nodes.length)}</summary>
          {nodes.map(node => (
            <div key={node.name} className="tj-side-node">
              <b>{node.name}</b>{' '}
              {node.ready ? (
                <span className="tj-quiet">{node.gpu}</span>
              ) : (
                <span>{trans.__('takes no pods')}</span>
              )}
              <Usage nodes={[node]} />
            </div>
          ))}
        </details>
      )}
    </section>
  );
}

function Usage({ nodes }: { nodes: readonly NodeCapacity[] }): ReactElement {
  const podsWithoutRequest = nodes.reduce((sum, node) => sum + node.unasked, 0);
  return (
    <>
      <UsedBar
        name={trans.__('CPU')}
        amount={sumOf(nodes, node => node.cpu)}
        format={(used, total) => trans.__('%1 of %2 cores requested', used, total)}
      />
      <UsedBar
        name={trans.__('Memory')}
        amount={sumOf(nodes, node => node.memory)}
        unit={GIB}
        format={(used, total) => trans.__('%1 of %2 GiB requested', used, total)}
      />
      <UsedBar
        name={trans.__('GPU')}
        amount={sumOf(nodes, node => node.gpus)}
        format={(used, total) => trans.__('%1 of %2 requested', used, total)}
      />
      {podsWithoutRequest > 0 && <p className="tj-quiet">{noRequestText(podsWithoutRequest)}</p>}
    </>
  );
}

interface UsedBarProps {
  name: string;
  amount: FreeTotal;
  /** The unit of the displayed numbers. */
  unit?: number;
  format: (used: string, total: string) => string;
}

function UsedBar({ name, amount: [free, total], unit = 1, format }: UsedBarProps): ReactElement | null {
  if (total === 0) {
    return null;
  }
  return (
    <p className="tj-side-used">
      <span>{name}</span>
      <span className="tj-far">{format(oneDecimal((total - free) / unit), oneDecimal(total / unit))}</span>
      <Bar share={(total - free) / total} />
    </p>
  );
}
