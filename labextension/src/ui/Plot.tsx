/** One metric: its name and value, and the chart or the table. */
import { useMemo } from 'react';
import type { ReactElement } from 'react';

import { decode, decodeLine, hasRange, readout, summary } from '../core/curves';
import { count, value } from '../core/format';
import {
  type Clock,
  type Look,
  type Pin,
  layers,
  nearest,
  pinned,
  stepAt,
  times,
  valueRange
} from '../core/layers';
import type { Curve, Source } from '../core/types';
import { trans } from '../core/words';
import type { Range } from '../core/zoom';
import { Chart, type Moves } from './Chart';
import { DataTable } from './DataTable';
import { useAnswer } from './useAnswer';

export interface PlotProps {
  source: Source;
  name: string;
  curve: Curve;
  look: Look;
  ranks: readonly number[];
  pins: readonly Pin[];
  clock: Clock | null;
  restarts: readonly number[];
  /** All steps there are to see, of all metrics. */
  whole: Range;
  asTable: boolean;
  pointed: number | null;
  hint: string;
  moves: Omit<Moves, 'step'>;
}

/** Columns of a chart that are worth asking for. */
const POINTS = 1000;
const EMPTY = new Float64Array();
const NONE: Curve = { ranks: 0, x: EMPTY, mean: EMPTY, low: EMPTY, high: EMPTY };

export function Plot(props: PlotProps): ReactElement {
  const { source, name, curve: all, look, ranks, whole, asTable, pointed, hint, moves } = props;
  const clock = look.time ? props.clock : null;
  const time = clock !== null;
  const { zoom } = look;
  const pins = useMemo(() => pinned(props.pins, name), [props.pins, name]);
  const last = all.x[all.x.length - 1] ?? 0;
  const live = zoom === null || zoom[1] >= last ? last : '';

  const band = useAnswer(zoom === null ? null : `${name} ${zoom.join()} ${live}`, async () => ({
    ...(await source.ask('window', { name, ranks: null, ...stretch(zoom), points: POINTS })),
    of: zoom
  }));
  const wanted = look.ranks === 'all' ? 'all' : ranks;
  const each = useAnswer(
    look.ranks === 'band' || all.ranks < 2 ? null : `${name} ${wanted.toString()} ${zoom?.join()} ${live}`,
    () => source.ask('window', { name, ranks: wanted, ...stretch(zoom), points: POINTS })
  );
  const got = band?.got;
  const curve = useMemo(() => {
    const [head, buffer] = [got?.curves[0], got?.buffers[0]];
    // An answer to an older question will do if it has all that is seen; else the whole way, coarse as it is, does.
    const within = got?.of && zoom && got.of[0] <= zoom[0] && got.of[1] >= zoom[1];
    return within && head && buffer && head.points > 0 ? decode(buffer, head.points, head.ranks) : all;
  }, [got, all, zoom]);
  const lines = useMemo(
    () =>
      each?.got?.curves.flatMap(({ rank, points }, i) => {
        const buffer = each.got?.buffers[i];
        return buffer && rank !== null ? [{ rank, ...decodeLine(buffer, points) }] : [];
      }) ?? null,
    [each]
  );
  // Where ranks are drawn one by one, a mean that has changed is no reason to draw them again.
  const single = look.ranks !== 'band' && lines !== null;
  const [mean, way] = [single ? NONE : curve, single && look.smooth === 0 ? NONE : all];
  const drawn = useMemo(
    () => layers({ curve: mean, whole: way, lines, pins, clock }, look),
    [mean, way, lines, pins, clock, look]
  );
  const [from, to] = zoom ?? whole;
  const ends = time ? times(Float64Array.of(from, to), clock) : [from, to];
  const x: Range = [look.logX ? above(ends[0], drawn[0]?.x) : (ends[0] ?? 0), ends[1] ?? 1];
  const y = valueRange(drawn, look.logY, x);

  const marks = useMemo(
    () => (clock === null ? props.restarts : [...times(Float64Array.from(props.restarts), clock)]),
    [clock, props.restarts]
  );
  const steps = curve.x;
  const at =
    pointed === null || pointed < x[0] || pointed > x[1]
      ? -1
      : nearest(steps, time ? stepAt(pointed, clock) : pointed);
  const why = each?.why || band?.why || '';
  const words = at < 0 ? null : readout(curve, at, lines, pins, clock, look);
  const beside = pins.length > 0 || look.ranks === 'some';
  const end = all.mean.length - 1;
  const step = (by: number): void => {
    const start = at < 0 ? (by > 0 ? -1 : steps.length) : at;
    const here = steps[Math.min(Math.max(start + by, 0), steps.length - 1)] ?? 0;
    moves.point(time ? (times(Float64Array.of(here), clock)[0] ?? 0) : here);
  };
  return (
    <div className="tj-plot">
      <div className="tj-plot-head">
        <span className="tj-plot-name" data-png title={name}>
          {name}
        </span>
        <span className="tj-quiet tj-plot-words" title={why}>
          {words?.rest ?? (why || describe(all, look, lines?.length ?? 0))}
        </span>
        <span className="tj-plot-value" data-png>
          {words?.main ?? (end < 0 ? '' : value(all.mean[end] ?? NaN))}
        </span>
      </div>
      {beside && <div className="tj-quiet tj-plot-more">{words?.more}</div>}
      {asTable ? (
        <DataTable name={name} curve={curve} />
      ) : (
        <Chart
          label={again(summary(name, all), props.restarts)}
          layers={drawn}
          marks={marks}
          x={x}
          y={y}
          logX={look.logX}
          logY={look.logY}
          time={time}
          pointed={pointed}
          words={words === null ? summary(name, curve) : `${words.main}, ${words.rest}, ${words.more}`}
          hint={hint}
          moves={{ ...moves, step }}
        />
      )}
    </div>
  );
}

function stretch(zoom: Range | null): { start: number | null; end: number | null } {
  return { start: zoom?.[0] ?? null, end: zoom?.[1] ?? null };
}

/** What the lines are. */
function describe(curve: Curve, look: Look, lines: number): string {
  if (curve.ranks < 2) {
    return '';
  }
  if (look.ranks !== 'band' && lines > 0) {
    return look.ranks === 'all' ? trans.__('each of %1 ranks', count(lines)) : trans.__('single ranks');
  }
  return hasRange(curve)
    ? trans.__('mean and range of %1 ranks', count(curve.ranks))
    : trans.__('mean of %1 ranks', count(curve.ranks));
}

function again(summary: string, restarts: readonly number[]): string {
  const steps = restarts.map(count).join(', ');
  return steps === ''
    ? summary
    : trans._n('%2, began anew at step %3', '%2, began anew at steps %3', restarts.length, summary, steps);
}

/** The start of a logarithmic axis: nought has no place on it. */
function above(from: number | undefined, xs: Float64Array | undefined): number {
  return from !== undefined && from > 0 ? from : (xs?.find(x => x > 0) ?? 0.1);
}
