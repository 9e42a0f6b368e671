/** How full a cluster is: all nodes together, each on demand. */
import type { ReactElement } from 'react';

import type { NodeRoom, Room } from '../api';
import { plural } from '../../core/format';
import { GIB, tidy, together } from '../rooms';
import { Bar } from '../../ui/Bar';

export function Capacity({ nodes }: { nodes: readonly NodeRoom[] }): ReactElement | null {
  const ready = nodes.filter(node => node.ready);
  if (nodes.length === 0) {
    return null;
  }
  return (
    <section className="tj-side-capacity" aria-label="Capacity">
      <Fullness rooms={ready} />
      {nodes.length > 1 && (
        <details>
          <summary>{nodes.length} nodes</summary>
          {nodes.map(node => (
            <div key={node.name} className="tj-side-node">
              <b>{node.name}</b>{' '}
              {node.ready ? <span className="tj-quiet">{node.gpu}</span> : <span>takes no pods</span>}
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
      <Used name="CPU" room={together(rooms, node => node.cpu)} unit={1} word="cores" />
      <Used name="Memory" room={together(rooms, node => node.memory)} unit={GIB} word="GiB" />
      <Used name="GPU" room={together(rooms, node => node.gpus)} unit={1} word="" />
      {unasked > 0 && (
        <p className="tj-quiet">{plural(unasked, 'pod')} without requests share what is free.</p>
      )}
    </>
  );
}

interface UsedProps {
  name: string;
  room: Room;
  /** What one of the `word`s is. */
  unit: number;
  word: string;
}

function Used({ name, room: [free, total], unit, word }: UsedProps): ReactElement | null {
  if (total === 0) {
    return null;
  }
  return (
    <p className="tj-side-used">
      <span>{name}</span>
      <span className="tj-far">
        {tidy((total - free) / unit)} of {tidy(total / unit)} {word}
      </span>
      <Bar share={(total - free) / total} />
    </p>
  );
}
