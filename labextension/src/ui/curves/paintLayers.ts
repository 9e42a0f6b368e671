/** Strokes layers on a plot's canvas. They differ by dashes and labels, not by colour alone. */
import type uPlot from 'uplot';

import type { Layer } from '../../core/curves/curveLayers';
import type { Gap } from '../../core/curves/gaps';
import type { Colours } from './themeColours';

export const DASHES = [[], [6, 3], [2, 3], [8, 3, 2, 3], [12, 4], [1, 2], [4, 2, 4, 6], [3, 6]];
/** The radius of a curve's only point. */
const DOT = 3.5;
/** Half the width of a gap's mark, and the height of its bar. */
const [WEDGE, BAR] = [4, 2];
/** The distance of labels in pixels, so that those of lines with the same end do not overlap. */
const BESIDE = 16;

const LOOKS: Record<Layer['kind'], [colour: 'accent' | 'quiet', width: number, alpha: number]> = {
  band: ['accent', 0, 0.16],
  faint: ['accent', 1, 0.35],
  rank: ['accent', 1.25, 1],
  pin: ['quiet', 1.5, 1],
  main: ['accent', 1.75, 1]
};

/** The content of a chart. */
export interface Painting {
  layers: readonly Layer[];
  /** Positions of restarts. */
  marks: readonly number[];
  /** Ranges without finite values. */
  gaps: readonly Gap[];
}

export function paint(plot: uPlot, { layers, marks, gaps }: Painting, colours: Colours): void {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  const many = layers.filter(layer => layer.kind === 'rank').length;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.lineJoin = 'bevel'; // The cheapest join, as 64 ranks have many corners.
  ctx.strokeStyle = colours.quiet;
  ctx.lineWidth = ratio;
  ctx.setLineDash([3 * ratio, 3 * ratio]);
  for (const mark of marks) {
    const x = plot.valToPos(mark, 'x', true);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  for (const layer of layers) {
    const [colour, width, alpha] = LOOKS[layer.kind];
    ctx.strokeStyle = ctx.fillStyle = colours[colour];
    ctx.lineWidth = (layer.nth < 0 ? 1 : width) * ratio;
    // Many lines are translucent, so that their density is visible.
    ctx.globalAlpha = layer.nth < 0 ? Math.max(0.25, Math.min(1, 8 / many)) : alpha;
    ctx.setLineDash((DASHES[Math.max(0, layer.nth) % DASHES.length] ?? []).map(dash => dash * ratio));
    const [xs, ys] = [places(plot, layer.x, 'x'), places(plot, layer.y, 'y')];
    const { low, high } = layer;
    if (low !== undefined && high !== undefined) {
      area(ctx, xs, places(plot, low, 'y'), places(plot, high, 'y'));
    } else {
      line(ctx, xs, ys, width * ratio);
    }
    if (layer.label !== '') {
      label(ctx, layer, xs, ys, bbox, ratio, colours);
    }
  }
  ctx.globalAlpha = 1;
  ctx.fillStyle = colours.bad;
  gaps.forEach(gap => gapMark(plot, gap, ratio));
  ctx.restore();
  // Not clipped: a single point may be on an edge.
  for (const { kind, x, y, nth } of layers) {
    const only = kind === 'band' || kind === 'faint' ? -1 : onlyPoint(y);
    const { min, max } = plot.scales.x ?? {};
    const step = x[only] ?? NaN;
    const [left, top] = [places(plot, Float64Array.of(step), 'x')[0], places(plot, y, 'y')[only]];
    if (step >= (min ?? 0) && step <= (max ?? 0) && Number.isFinite(left) && Number.isFinite(top)) {
      ctx.fillStyle = colours[LOOKS[kind][0]];
      ctx.beginPath();
      ctx.arc(left ?? 0, top ?? 0, (nth > 0 ? DOT - 1 : DOT) * ratio, 0, 2 * Math.PI);
      ctx.fill();
    }
  }
}

/** Draws a wedge at the edge that the value exceeds, and a bar to the last step of the gap. */
function gapMark(plot: uPlot, { value, from, to }: Gap, ratio: number): void {
  const { ctx, bbox } = plot;
  const isLow = value === -Infinity;
  const [edge, inward] = isLow ? [bbox.top + bbox.height, -ratio] : [bbox.top, ratio];
  const [start, end] = [plot.valToPos(from, 'x', true), plot.valToPos(to, 'x', true)];
  ctx.fillRect(start, edge, end - start, BAR * inward);
  ctx.beginPath();
  ctx.moveTo(start - WEDGE * ratio, edge);
  ctx.lineTo(start + WEDGE * ratio, edge);
  ctx.lineTo(start, edge + 2 * WEDGE * inward);
  ctx.fill();
}

/** The index of the only finite number; -1 if there are several or none. */
function onlyPoint(values: Float64Array): number {
  const first = values.findIndex(value => Number.isFinite(value));
  return values.slice(first + 1).some(value => Number.isFinite(value)) ? -1 : first;
}

/** Converts to canvas pixels; NaN if a number cannot be shown, such as zero on a logarithmic axis. */
function places(plot: uPlot, values: Float64Array, axis: 'x' | 'y'): Float64Array {
  const log = plot.scales[axis]?.distr === 3;
  return values.map(value =>
    Number.isFinite(value) && !(log && value <= 0) ? plot.valToPos(value, axis, true) : NaN
  );
}

/** Calls `run` with each unbroken stretch of points. */
function runs(xs: Float64Array, ys: Float64Array, run: (from: number, to: number) => void): void {
  let from = 0;
  for (let i = 0; i <= xs.length; i++) {
    if (i === xs.length || Number.isNaN(xs[i]) || Number.isNaN(ys[i])) {
      if (i > from) {
        run(from, i);
      }
      from = i + 1;
    }
  }
}

function line(ctx: CanvasRenderingContext2D, xs: Float64Array, ys: Float64Array, width: number): void {
  ctx.beginPath();
  runs(xs, ys, (from, to) => {
    const [x, y] = [xs[from] ?? 0, ys[from] ?? 0];
    if (to - from === 1) {
      ctx.fillRect(x - width, y - width, 2 * width, 2 * width); // A line of one point.
    }
    ctx.moveTo(x, y);
    for (let i = from + 1; i < to; i++) {
      ctx.lineTo(xs[i] ?? 0, ys[i] ?? 0);
    }
  });
  ctx.stroke();
}

function area(ctx: CanvasRenderingContext2D, xs: Float64Array, low: Float64Array, high: Float64Array): void {
  ctx.beginPath();
  runs(xs, high, (from, to) => {
    const start = ctx.canvas.height * 2; // Below the plot, for a lowest value that cannot be shown.
    for (let i = from; i < to; i++) {
      ctx[i === from ? 'moveTo' : 'lineTo'](xs[i] ?? 0, high[i] ?? 0);
    }
    for (let i = to - 1; i >= from; i--) {
      ctx.lineTo(xs[i] ?? 0, Number.isNaN(low[i]) ? start : (low[i] ?? 0));
    }
    ctx.closePath();
  });
  ctx.fill();
}

/** Draws a label near the last visible point, on a background. */
function label(
  ctx: CanvasRenderingContext2D,
  { label: text, nth }: Layer,
  xs: Float64Array,
  ys: Float64Array,
  box: uPlot.BBox,
  ratio: number,
  colours: Colours
): void {
  let i = xs.length - 1;
  const end = Math.min(xs[i] ?? 0, box.left + box.width) - nth * BESIDE * ratio;
  while (i >= 0 && !((xs[i] ?? NaN) <= end && Number.isFinite(ys[i]))) {
    i -= 1;
  }
  if (i < 0) {
    return;
  }
  ctx.setLineDash([]);
  ctx.globalAlpha = 1;
  ctx.font = `600 ${11 * ratio}px ${colours.font}`;
  ctx.textAlign = 'right';
  ctx.textBaseline = 'middle';
  ctx.lineWidth = 4 * ratio;
  ctx.strokeStyle = colours.ground;
  const [x, y] = [Math.min(xs[i] ?? 0, box.left + box.width) - 2 * ratio, ys[i] ?? 0];
  ctx.strokeText(text, x, y);
  ctx.fillText(text, x, y);
}
