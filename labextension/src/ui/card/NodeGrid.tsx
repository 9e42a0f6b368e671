/** The pods of a job as tiles, eight in a row. The grid is one tab stop: arrow keys move, Enter chooses a node. */
import { Fragment, useLayoutEffect, useRef } from 'react';
import type { KeyboardEvent, ReactElement } from 'react';

import { percent } from '../../core/format';
import {
  shortStatus,
  nodeDetails,
  gauges,
  nodeTone,
  fullStatus,
  nodeSummary,
  mostNotable
} from '../../core/jobs/nodeText';
import { nextFocus } from '../../core/rovingFocus';
import type { Node } from '../../core/jobTypes';
import { trans } from '../../core/i18n';
import { Bar } from '../controls/Bar';

/** With more nodes, each tile is one line, and a summary above them names slow nodes. */
const COMPACT_FROM = 16;
/** With more nodes, the grid scrolls. */
const SCROLL_FROM = 128;

export interface NodeGridProps {
  nodes: readonly Node[];
  /** Whether to show all information, with the chosen node's details below; else a line of tiles. */
  whole: boolean;
  chosen: number | null;
  onChoose: (index: number) => void;
}

export function NodeGrid({ nodes, whole, chosen, onChoose }: NodeGridProps): ReactElement | null {
  const grid = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    // Tiles grow when they show all information: the chosen one is kept visible.
    if (chosen !== null) {
      grid.current?.querySelector('[aria-selected=true]')?.scrollIntoView({ block: 'nearest' });
    }
  }, [chosen, whole]);
  const shown = nodes.find(node => node.index === chosen) ?? mostNotable(nodes);
  if (shown === undefined) {
    return whole ? <p className="tj-empty">{trans.__('No information about the nodes.')}</p> : null;
  }
  const onKeyDown = (event: KeyboardEvent): void => {
    const tiles = [...(grid.current?.querySelectorAll('button') ?? [])];
    const at = tiles.indexOf(event.target as HTMLButtonElement);
    const columns = tiles.filter(tile => tile.offsetTop === tiles[0]?.offsetTop).length;
    const to = nextFocus(event.key, at, tiles.length, columns);
    if (to !== null) {
      event.preventDefault();
      event.stopPropagation();
      tiles[to]?.focus();
    }
  };
  const many = nodes.length > COMPACT_FROM;
  const classes = [
    whole && 'tj-nodes-whole',
    many && 'tj-nodes-many',
    nodes.length > SCROLL_FROM && 'tj-nodes-crowd'
  ].filter(Boolean);
  return (
    <div className={['tj-nodes', ...classes].join(' ')}>
      {(whole || many) && <p className="tj-tally">{nodeSummary(nodes)}</p>}
      <div
        className="tj-nodes-grid"
        role="listbox"
        aria-label={trans.__('Nodes')}
        ref={grid}
        onKeyDown={onKeyDown}
      >
        {nodes.map(node => (
          <button
            key={node.index}
            type="button"
            role="option"
            className={`tj-node tj-tone-${nodeTone(node)}`}
            aria-selected={whole && node === shown}
            tabIndex={node === shown ? 0 : -1}
            onClick={() => onChoose(node.index)}
          >
            <b>
              {many ? <span className="tj-unseen">{trans.__('node')} </span> : `${trans.__('node')} `}
              {node.index}
            </b>{' '}
            <NodeStatus node={node} isBrief={many} />
            {gauges(node).map(
              ({ name, share }, i) =>
                (whole || i === 0) && (
                  <span key={name} className="tj-gauge">
                    <span className={whole ? 'tj-gauge-name' : 'tj-unseen'}> {name}</span>
                    <span className="tj-unseen"> {percent(share)}</span>
                    <Bar share={share} />
                  </span>
                )
            )}
          </button>
        ))}
      </div>
      {whole && (
        <dl className="tj-details" aria-label={trans.__('Node %1', shown.index)}>
          <dt>{trans.__('node')}</dt>
          <dd>{shown.index}</dd>
          {nodeDetails(shown).map(([name, text]) => (
            <Fragment key={name}>
              <dt>{name}</dt>
              <dd>{text}</dd>
            </Fragment>
          ))}
        </dl>
      )}
    </div>
  );
}

/** The status in a tile. A small tile shows the short one; the full one is its tooltip, and read by screen readers. */
function NodeStatus({ node, isBrief }: { node: Node; isBrief: boolean }): ReactElement {
  const [all, short] = [fullStatus(node), isBrief ? shortStatus(node) : fullStatus(node)];
  return (
    <>
      <span className="tj-node-note" title={all} aria-hidden={short !== all}>
        {short}
      </span>
      {short !== all && <span className="tj-unseen"> {all}</span>}
    </>
  );
}
