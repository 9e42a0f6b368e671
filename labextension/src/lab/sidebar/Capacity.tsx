/** How full a cluster is: all nodes together, each on demand. */
import type { ReactElement } from 'react';

import type { NodeRoom, Room } from '../api';
import { Bar } from '../../ui/Bar';

const GIB = 2 ** 30;

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
  const all = (of: (node: NodeRoom) => Room): Room =>
    rooms.reduce<Room>(([free, total], node) => [free + of(node)[0], total + of(node)[1]], [0, 0]);
  return (
    <>
      <Used name="CPU" room={all(node => node.cpu)} unit={1} word="cores" />
      <Used name="Memory" room={all(node => node.memory)} unit={GIB} word="GiB" />
      <Used name="GPU" room={all(node => node.gpus)} unit={1} word="" />
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
  const tidy = (amount: number): string => String(Math.round((amount / unit) * 10) / 10);
  return (
    <p className="tj-side-used">
      <span>{name}</span>
      <span className="tj-far">
        {tidy(total - free)} of {tidy(total)} {word}
      </span>
      <Bar share={(total - free) / total} />
    </p>
  );
}
