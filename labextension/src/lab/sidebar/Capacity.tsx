/** How full a cluster is: all nodes together, each on demand. */
import type { ReactElement } from 'react';

import { nodesText } from '../../core/format';
import { trans } from '../../core/words';
import type { NodeRoom, Room } from '../api';
import { GIB, tidy, together } from '../rooms';
import { Bar } from '../../ui/Bar';

export function Capacity({ nodes }: { nodes: readonly NodeRoom[] }): ReactElement | null {
  const ready = nodes.filter(node => node.ready);
  if (nodes.length === 0) {
    return null;
  }
  return (
    <section className="tj-side-capacity" aria-label={trans.__('Capacity')}>
      <Fullness rooms={ready} />
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
              <Fullness rooms={[node]} />
            </div>
          ))}
        </details>
      )}
    </section>
  );
}

function Fullness({ rooms }: { rooms: readonly NodeRoom[] }): ReactElement {
  const unasked = rooms.reduce((sum, node) => sum + node.unasked, 0);
  return (
    <>
      <Used
        name={trans.__('CPU')}
        room={together(rooms, node => node.cpu)}
        say={(used, total) => trans.__('%1 of %2 cores', used, total)}
      />
      <Used
        name={trans.__('Memory')}
        room={together(rooms, node => node.memory)}
        unit={GIB}
        say={(used, total) => trans.__('%1 of %2 GiB', used, total)}
      />
      <Used
        name={trans.__('GPU')}
        room={together(rooms, node => node.gpus)}
        say={(used, total) => trans.__('%1 of %2', used, total)}
      />
      {unasked > 0 && (
        <p className="tj-quiet">
          {trans._n(
            '%1 pod without requests shares what is free.',
            '%1 pods without requests share what is free.',
            unasked
          )}
        </p>
      )}
    </>
  );
}

interface UsedProps {
  name: string;
  room: Room;
  /** In what it is counted. */
  unit?: number;
  say: (used: string, total: string) => string;
}

function Used({ name, room: [free, total], unit = 1, say }: UsedProps): ReactElement | null {
  if (total === 0) {
    return null;
  }
  return (
    <p className="tj-side-used">
      <span>{name}</span>
      <span className="tj-far">{say(tidy((total - free) / unit), tidy(total / unit))}</span>
      <Bar share={(total - free) / total} />
    </p>
  );
}
