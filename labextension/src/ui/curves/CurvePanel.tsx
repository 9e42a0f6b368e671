/** The charts of all reported metrics, and the tools that set how they are shown. */
import { useId, useMemo, useRef, useState } from 'react';
import type { ReactElement } from 'react';

import { decodeLine, parseRanks, stepRange } from '../../core/curves/curveData';
import { isLive } from '../../core/jobs/jobText';
import { value } from '../../core/format';
import {
  type Clock,
  type ChartSettings,
  DEFAULT_SETTINGS,
  type Pin,
  changedSettings,
  stepAt
} from '../../core/curves/curveLayers';
import type { Curve, Job } from '../../core/jobTypes';
import type { JobSource } from '../../core/jobs/views';
import { trans } from '../../core/i18n';
import { type Range, panRange, scaleRange, clampRange } from '../../core/curves/zoomRange';
import { CurveTools, type CurveToolsProps } from './CurveTools';
import { Plot } from './Plot';
import { useRequest } from '../controls/useRequest';
import { useView } from '../controls/useView';

/** How many metrics are shown before the user chooses. */
const DEFAULT_METRICS = 6;

/** A `hidden` panel keeps its settings, but draws and requests nothing. */
export function CurvePanel({ source, hidden }: { source: JobSource; hidden: boolean }): ReactElement | null {
  const { job, curves, nodes } = useView(source);
  const [settings, setSettings] = useState(DEFAULT_SETTINGS);
  const [chosen, choose] = useState<readonly string[] | null>(null);
  const [ranks, setRanks] = useState('0');
  const [asTable, setAsTable] = useState(false);
  const [tools, showTools] = useState(false);
  const [pins, setPins] = useState<readonly Pin[]>([]);
  const [pointed, point] = useState<number | null>(null);
  const grid = useRef<HTMLDivElement>(null);
  const id = useId();

  const names = job === null ? [] : metricNames(job, curves);
  const shown = names.filter((name, i) => (chosen === null ? i < DEFAULT_METRICS : chosen.includes(name)));
  const all = [...curves.values()];
  const [first, last] = stepRange(all, null);
  const attempts = Math.max(0, ...nodes.map(node => node.restarts));
  const timesKey = hidden ? null : settings.time ? `${first} ${last}` : attempts > 0 ? 'restarts' : null;
  const { clock, restarts } = useTimes(source, timesKey && `${timesKey} ${attempts}`);
  if (job === null) {
    return null;
  }
  if (names.length === 0) {
    return <p className="tj-empty">{noCurves(job)}</p>;
  }
  const pinned = pins.flatMap(pin => [...pin.curves.values()]);
  const whole = stepRange([...all, ...pinned], isLive(job.state) ? job.total : null);
  const change = (part: Partial<ChartSettings>): void => {
    point(null); // Its position would be another step.
    setSettings(before => ({ ...before, ...part }));
  };
  const zoomed = (by: (settings: ChartSettings) => ChartSettings['zoom']): void =>
    setSettings(before => ({ ...before, zoom: by(before) }));
  const step = (x: number): number => (settings.time && clock !== null ? stepAt(x, clock) : x);
  const moves = {
    point,
    zoom: ([from, to]: Range) => change({ zoom: clampRange([step(from), step(to)], whole) }),
    scale: (factor: number, around?: number) =>
      zoomed(({ zoom }) => scaleRange(zoom, whole, factor, around === undefined ? undefined : step(around))),
    pan: (share: number) => zoomed(({ zoom }) => panRange(zoom, whole, share)),
    whole: () => change({ zoom: null })
  };
  const toolProps: CurveToolsProps = {
    source,
    job,
    curves,
    names,
    shown,
    choose,
    settings,
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
  const rankNumbers = parseRanks(ranks);
  const changed = [...changedSettings(settings), ...(asTable ? [trans.__('table')] : [])];
  const reset = (): void => {
    change(DEFAULT_SETTINGS);
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
      <CurveTools {...toolProps} id={`${id}-tools`} isClosed={!tools} />
      <p id={`${id}-hint`} className="tj-unseen">
        {trans.__(
          'Arrow keys move the crosshair, with Shift the view. Plus and minus zoom, 0 shows everything.'
        )}
      </p>
      <div className="tj-plots" ref={grid}>
        {(hidden ? [] : shown).map(name => {
          const curve = curves.get(name);
          const latest = job.metrics.find(([metric]) => metric === name)?.[1];
          return curve === undefined ? (
            <div key={name} className="tj-plot">
              <div className="tj-plot-head">
                <span className="tj-plot-name">{name}</span>
                <span className="tj-plot-value">{value(latest ?? '')}</span>
              </div>
            </div>
          ) : (
            <Plot
              key={name}
              source={source}
              name={name}
              curve={curve}
              latest={latest}
              settings={settings}
              ranks={rankNumbers}
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

/** Why there are no curves, and how to get some. */
function noCurves(job: Job): string {
  const call = 'report(step=step, total=steps, loss=loss)';
  return isLive(job.state)
    ? trans.__('No metrics yet. Curves appear when the job calls %1.', call)
    : trans.__('This job reported no metrics. Curves appear when a cell calls %1.', call);
}

function metricNames(job: Job, curves: ReadonlyMap<string, Curve>): string[] {
  return [...new Set([...job.metrics.map(([name]) => name), ...curves.keys()])];
}

interface Times {
  clock: Clock | null;
  /** The steps at which the job was restarted. */
  restarts: readonly number[];
}
const NO_TIMES: Times = { clock: null, restarts: [] };

/** Requests the times of the steps and the restarts of the job; nothing for the key null. */
function useTimes(source: JobSource, key: string | null): Times {
  const answer = useRequest(key, () => source.ask('clock', {}))?.answer;
  return useMemo(() => {
    const buffer = answer?.buffers[0];
    return answer && buffer
      ? { clock: answer.points > 1 ? decodeLine(buffer, answer.points) : null, restarts: answer.restarts }
      : NO_TIMES;
  }, [answer]);
}
