/** The pods of a job as tiles, eight in a row, one stop of the Tab key: arrows move, Enter looks at one. */
import { Fragment, useLayoutEffect, useRef } from 'react';
import type { KeyboardEvent, ReactElement } from 'react';

import { percent } from '../core/format';
import { details, gauges, nodeTone, note, tally, worst } from '../core/nodes';
import { roving } from '../core/roving';
import type { Node } from '../core/types';
import { trans } from '../core/words';
import { Bar } from './Bar';

/** From here on, tiles are a line each, and words tell where to look. */
const MANY = 16;

export interface NodeGridProps {
  nodes: readonly Node[];
  /** Everything that is known, with the chosen node below; else a line of tiles. */
  whole: boolean;
  chosen: number | null;
  onChoose: (index: number) => void;
}

export function NodeGrid({ nodes, whole, chosen, onChoose }: NodeGridProps): ReactElement | null {
  const grid = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    // Tiles grow when they show everything: the chosen one stays in sight.
    if (chosen !== null) {
      grid.current?.querySelector('[aria-selected=true]')?.scrollIntoView({ block: 'nearest' });
    }
  }, [chosen, whole]);
  const shown = nodes.find(node => node.index === chosen) ?? worst(nodes);
  if (shown === undefined) {
    return whole ? <p className="tj-empty">{trans.__('Nothing is known of its nodes.')}</p> : null;
  }
  const onKeyDown = (event: KeyboardEvent): void => {
    const tiles = [...(grid.current?.querySelectorAll('button') ?? [])];
    const at = tiles.indexOf(event.target as HTMLButtonElement);
    const rows = new Set(tiles.map(tile => tile.offsetTop)).size;
    const to = roving(event.key, at, tiles.length, Math.ceil(tiles.length / rows));
    if (to !== null) {
      event.preventDefault();
      event.stopPropagation();
      tiles[to]?.focus();
    }
  };
  const many = nodes.length > MANY;
  return (
    <div className={`tj-nodes${whole ? ' tj-nodes-whole' : ''}${many ? ' tj-nodes-many' : ''}`}>
      {(whole || many) && <p className="tj-tally">{tally(nodes)}</p>}
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
            <b>{trans.__('node %1', node.index)}</b> <span className="tj-node-note">{note(node)}</span>
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
          {details(shown).map(([name, words]) => (
            <Fragment key={name}>
              <dt>{name}</dt>
              <dd>{words}</dd>
            </Fragment>
          ))}
        </dl>
      )}
    </div>
  );
}
