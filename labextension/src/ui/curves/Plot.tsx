/** One metric: its name and value, and the chart or the table. */
import { useMemo } from 'react';
import type { ReactElement } from 'react';

import {
  decodeCurve,
  decodeLine,
  hasRange,
  lastValues,
  readout,
  curveSummary
} from '../../core/curves/curveData';
import { count, value } from '../../core/format';
import {
  type Clock,
  type ChartSettings,
  type Pin,
  layersOf,
  nearest,
  pinned,
  stepAt,
  secondsOf,
  valueRange
} from '../../core/curves/curveLayers';
import { gapsOf, gapsText } from '../../core/curves/gaps';
import type { Curve } from '../../core/jobTypes';
import type { JobSource } from '../../core/jobs/views';
import { trans } from '../../core/i18n';
import type { Range } from '../../core/curves/zoomRange';
import { Chart, type ChartActions } from './Chart';
import { DataTable } from './DataTable';
import { useRequest } from '../controls/useRequest';

export interface PlotProps {
  source: JobSource;
  name: string;
  curve: Curve;
  /** The latest value, the same as in other views. */
  latest: number | string | undefined;
  settings: ChartSettings;
  ranks: readonly number[];
  pins: readonly Pin[];
  clock: Clock | null;
  restarts: readonly number[];
  /** The range of steps of all metrics. */
  whole: Range;
  asTable: boolean;
  pointed: number | null;
  hint: string;
  moves: Omit<ChartActions, 'step'>;
}

/** How many points to request for a chart. */
const POINTS = 1000;
const EMPTY = new Float64Array();
const NONE: Curve = { ranks: 0, x: EMPTY, mean: EMPTY, low: EMPTY, high: EMPTY };

export function Plot(props: PlotProps): ReactElement {
  const { source, name, curve: all, latest, settings, ranks, whole, asTable, pointed, hint, moves } = props;
  const clock = settings.time ? props.clock : null;
  const time = clock !== null;
  const { zoom } = settings;
  const pins = useMemo(() => pinned(props.pins, name), [props.pins, name]);
  const last = all.x[all.x.length - 1] ?? 0;
  const live = zoom === null || zoom[1] >= last ? last : '';

  const band = useRequest(zoom === null ? null : `${name} ${zoom.join()} ${live}`, async () => ({
    ...(await source.ask('window', { name, ranks: null, ...bounds(zoom), points: POINTS })),
    of: zoom
  }));
  const requestedRanks = settings.ranks === 'all' ? 'all' : ranks;
  const rankCurves = useRequest(
    settings.ranks === 'band' || all.ranks < 2
      ? null
      : `${name} ${requestedRanks.toString()} ${zoom?.join()} ${live}`,
    () => source.ask('window', { name, ranks: requestedRanks, ...bounds(zoom), points: POINTS })
  );
  const bandAnswer = band?.answer;
  const curve = useMemo(() => {
    const [head, buffer] = [bandAnswer?.curves[0], bandAnswer?.buffers[0]];
    // An older answer is used if it covers the visible range; otherwise the coarse curve of all steps.
    const within = bandAnswer?.of && zoom && bandAnswer.of[0] <= zoom[0] && bandAnswer.of[1] >= zoom[1];
    return within && head && buffer && head.points > 0 ? decodeCurve(buffer, head.points, head.ranks) : all;
  }, [bandAnswer, all, zoom]);
  const lines = useMemo(
    () =>
      rankCurves?.answer?.curves.flatMap(({ rank, points }, i) => {
        const buffer = rankCurves.answer?.buffers[i];
        return buffer && rank !== null ? [{ rank, ...decodeLine(buffer, points) }] : [];
      }) ?? null,
    [rankCurves]
  );
  // If single ranks are drawn, a change of the mean does not redraw them.
  const drawsRanks = settings.ranks !== 'band' && lines !== null;
  const [mean, allSteps] = [drawsRanks ? NONE : curve, drawsRanks && settings.smooth === 0 ? NONE : all];
  const drawn = useMemo(
    () => layersOf({ curve: mean, whole: allSteps, lines, pins, clock }, settings),
    [mean, allSteps, lines, pins, clock, settings]
  );
  const [from, to] = zoom ?? whole;
  const ends = time ? secondsOf(Float64Array.of(from, to), clock) : [from, to];
  const x: Range = [settings.logX ? positiveStart(ends[0], drawn[0]?.x) : (ends[0] ?? 0), ends[1] ?? 1];
  const y = valueRange(drawn, settings.logY, x);

  const marks = useMemo(
    () => (clock === null ? props.restarts : [...secondsOf(Float64Array.from(props.restarts), clock)]),
    [clock, props.restarts]
  );
  const gaps = useMemo(() => {
    const stepGaps = gapsOf(curve);
    return clock === null
      ? stepGaps
      : stepGaps.map(gap => {
          const [from = 0, to = 0] = secondsOf(Float64Array.of(gap.from, gap.to), clock);
          return { ...gap, from, to };
        });
  }, [curve, clock]);
  const steps = curve.x;
  const at =
    pointed === null || pointed < x[0] || pointed > x[1]
      ? -1
      : nearest(steps, time ? stepAt(pointed, clock) : pointed);
  const why = rankCurves?.error || band?.error || '';
  const values = at < 0 ? null : readout(curve, at, lines, pins, clock, settings);
  const hasOthers = pins.length > 0 || settings.ranks === 'some';
  const end = all.mean.length - 1;
  const step = (by: number): void => {
    const start = at < 0 ? (by > 0 ? -1 : steps.length) : at;
    const to = steps[Math.min(Math.max(start + by, 0), steps.length - 1)] ?? 0;
    moves.point(time ? (secondsOf(Float64Array.of(to), clock)[0] ?? 0) : to);
  };
  return (
    <div className="tj-plot">
      <div className="tj-plot-head">
        <span className="tj-plot-name" data-png title={name}>
          {name}
        </span>
        <span className="tj-quiet tj-plot-words" title={why}>
          {values?.rest ?? (why || legend(all, settings, lines?.length ?? 0))}
        </span>
        <span className="tj-plot-value" data-png>
          {values?.main ?? value(latest ?? all.mean[end] ?? '')}
        </span>
      </div>
      {hasOthers && <div className="tj-quiet tj-plot-more">{values?.more ?? lastValues(pins)}</div>}
      {asTable ? (
        <DataTable name={name} curve={curve} />
      ) : (
        <Chart
          label={withRestarts(curveSummary(name, all), props.restarts)}
          layers={drawn}
          marks={marks}
          gaps={gaps}
          x={x}
          y={y}
          logX={settings.logX}
          logY={settings.logY}
          time={time}
          pointed={pointed}
          text={
            values === null ? curveSummary(name, curve) : `${values.main}, ${values.rest}, ${values.more}`
          }
          hint={hint}
          moves={{ ...moves, step }}
        />
      )}
    </div>
  );
}

function bounds(zoom: Range | null): { start: number | null; end: number | null } {
  return { start: zoom?.[0] ?? null, end: zoom?.[1] ?? null };
}

/** Describes the lines and their gaps. */
const legend = (curve: Curve, settings: ChartSettings, lines: number): string =>
  [describe(curve, settings, lines), gapsText(gapsOf(curve))].filter(part => part !== '').join(' · ');

/** Describes the lines: single ranks, or mean and range. */
function describe(curve: Curve, settings: ChartSettings, lines: number): string {
  if (curve.ranks < 2) {
    return '';
  }
  if (settings.ranks !== 'band' && lines > 0) {
    return settings.ranks === 'all' ? trans.__('each of %1 ranks', count(lines)) : trans.__('single ranks');
  }
  return hasRange(curve)
    ? trans.__('mean and range of %1 ranks', count(curve.ranks))
    : trans.__('mean of %1 ranks', count(curve.ranks));
}

function withRestarts(summary: string, restarts: readonly number[]): string {
  const steps = restarts.map(count).join(', ');
  return steps === ''
    ? summary
    : trans._n('%2, restarted at step %3', '%2, restarted at steps %3', restarts.length, summary, steps);
}

/** The start of a logarithmic axis, which cannot show zero. */
function positiveStart(from: number | undefined, xs: Float64Array | undefined): number {
  return from !== undefined && from > 0 ? from : (xs?.find(x => x > 0) ?? 0.1);
}
