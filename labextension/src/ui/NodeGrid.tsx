import type { ReactElement } from 'react';

import { pace } from '../core/nodes';
import type { Node } from '../core/types';

/** The pods of a job, eight in a row: a line each, or with `whole` everything that is known of them. */
export function NodeGrid({ nodes, whole }: { nodes: readonly Node[]; whole: boolean }): ReactElement | null {
  if (nodes.length === 0) {
    return null;
  }
  return (
    <ul className={`tj-nodes${whole ? ' tj-nodes-whole' : ''}`} aria-label="Nodes">
      {nodes.map(node => (
        <li key={node.index} className="tj-node">
          <b>node {node.index}</b> <span className="tj-quiet">{pace(node)}</span>
        </li>
      ))}
    </ul>
  );
}
