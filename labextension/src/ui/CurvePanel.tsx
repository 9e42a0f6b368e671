/** Every reported metric: small charts that are looked at together, and the tools that say how. */
import { useId, useMemo, useRef, useState } from 'react';
import type { ReactElement } from 'react';

import { decodeLine, parseRanks, stepRange } from '../core/curves';
import { isLive } from '../core/describe';
import { value } from '../core/format';
import { type Clock, type Look, PLAIN, type Pin, differences, stepAt } from '../core/layers';
import type { Curve, Job, Source } from '../core/types';
import { trans } from '../core/words';
import { type Range, moved, scaled, within } from '../core/zoom';
import { CurveTools, type Tooling } from './CurveTools';
import { Plot } from './Plot';
import { useAnswer } from './useAnswer';
import { useView } from './useView';

/** So many are shown unless somebody chooses. */
const SHOWN = 6;

/** While it is `hidden` it keeps what was chosen, draws nothing and asks for nothing. */
export function CurvePanel({ source, hidden }: { source: Source; hidden: boolean }): ReactElement | null {
  const { job, curves, nodes } = useView(source);
  const [look, setLook] = useState(PLAIN);
  const [chosen, choose] = useState<readonly string[] | null>(null);
  const [ranks, setRanks] = useState('0');
  const [asTable, setAsTable] = useState(false);
  const [tools, showTools] = useState(false);
  const [pins, setPins] = useState<readonly Pin[]>([]);
  const [pointed, point] = useState<number | null>(null);
  const grid = useRef<HTMLDivElement>(null);
  const id = useId();

  const names = job === null ? [] : metricNames(job, curves);
  const shown = names.filter((name, i) => (chosen === null ? i < SHOWN : chosen.includes(name)));
  const all = [...curves.values()];
  const [first, last] = stepRange(all, null);
  const begun = Math.max(0, ...nodes.map(node => node.restarts));
  const asked = hidden ? null : look.time ? `${first} ${last}` : begun > 0 ? 'restarts' : null;
  const { clock, restarts } = useTimes(source, asked && `${asked} ${begun}`);
  if (job === null || names.length === 0) {
    return null;
  }
  const pinned = pins.flatMap(pin => [...pin.curves.values()]);
  const whole = stepRange([...all, ...pinned], isLive(job.state) ? job.total : null);
  const change = (part: Partial<Look>): void => {
    point(null); // Where that is, is another place now.
    setLook(before => ({ ...before, ...part }));
  };
  const zoomed = (by: (look: Look) => Look['zoom']): void =>
    setLook(before => ({ ...before, zoom: by(before) }));
  const step = (x: number): number => (look.time && clock !== null ? stepAt(x, clock) : x);
  const moves = {
    point,
    zoom: ([from, to]: Range) => change({ zoom: within([step(from), step(to)], whole) }),
    scale: (factor: number, around?: number) =>
      zoomed(({ zoom }) => scaled(zoom, whole, factor, around === undefined ? undefined : step(around))),
    pan: (share: number) => zoomed(({ zoom }) => moved(zoom, whole, share)),
    whole: () => change({ zoom: null })
  };
  const tooling: Tooling = {
    source,
    job,
    curves,
    names,
    shown,
    choose,
    look,
    change,
    moves,
    ranks,
    setRanks,
    many: all.some(curve => curve.ranks > 1),
    asTable,
    setAsTable,
    pins,
    setPins,
    grid
  };
  const some = parseRanks(ranks);
  const changed = [...differences(look), ...(asTable ? [trans.__('table')] : [])];
  const reset = (): void => {
    change(PLAIN);
    setAsTable(false);
  };
  return (
    <div className="tj-curves">
      <div className="tj-curves-bar">
        {changed.length > 0 && (
          <>
            <span className="tj-curves-changed">{changed.join(', ')}</span>
            <button type="button" className="tj-tool" onClick={reset}>
              {trans.__('Reset')}
            </button>
          </>
        )}
        <button
          type="button"
          className="tj-tool"
          aria-expanded={tools}
          aria-controls={`${id}-tools`}
          onClick={() => showTools(!tools)}
        >
          {trans.__('Tools')}
        </button>
      </div>
      <CurveTools {...tooling} id={`${id}-tools`} shut={!tools} />
      <p id={`${id}-hint`} className="tj-unseen">
        {trans.__(
          'Arrow keys move the crosshair, with Shift the view. Plus and minus zoom, 0 shows everything.'
        )}
      </p>
      <div className="tj-plots" ref={grid}>
        {(hidden ? [] : shown).map(name => {
          const curve = curves.get(name);
          return curve === undefined ? (
            <div key={name} className="tj-plot">
              <div className="tj-plot-head">
                <span className="tj-plot-name">{name}</span>
                <span className="tj-plot-value">
                  {value(job.metrics.find(([own]) => own === name)?.[1] ?? '')}
                </span>
              </div>
            </div>
          ) : (
            <Plot
              key={name}
              source={source}
              name={name}
              curve={curve}
              look={look}
              ranks={some}
              pins={pins}
              clock={clock}
              restarts={restarts}
              whole={whole}
              asTable={asTable}
              pointed={pointed}
              hint={`${id}-hint`}
              moves={moves}
            />
          );
        })}
      </div>
    </div>
  );
}

function metricNames(job: Job, curves: ReadonlyMap<string, Curve>): string[] {
  return [...new Set([...job.metrics.map(([name]) => name), ...curves.keys()])];
}

interface Times {
  clock: Clock | null;
  /** Steps where an attempt began anew. */
  restarts: readonly number[];
}
const TIMELESS: Times = { clock: null, restarts: [] };

/** When each step was, once somebody wants to know, and where the job began anew, once it has. */
function useTimes(source: Source, key: string | null): Times {
  const answer = useAnswer(key, () => source.ask('clock', {}));
  const got = answer?.got;
  return useMemo(() => {
    const buffer = got?.buffers[0];
    return got && buffer
      ? { clock: got.points > 1 ? decodeLine(buffer, got.points) : null, restarts: got.restarts }
      : TIMELESS;
  }, [got]);
}
