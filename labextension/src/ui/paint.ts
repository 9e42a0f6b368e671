/** Strokes layers on a plot's canvas. Told apart by dashes and labels, not by colour alone. */
import type uPlot from 'uplot';

import type { Layer } from '../core/layers';
import type { Colours } from './colours';

export const DASHES = [[], [6, 3], [2, 3], [8, 3, 2, 3], [12, 4], [1, 2], [4, 2, 4, 6], [3, 6]];
/** Pixels from one label to the next, so that lines which end together keep theirs. */
const BESIDE = 16;

const LOOKS: Record<Layer['kind'], [colour: 'accent' | 'quiet', width: number, alpha: number]> = {
  band: ['accent', 0, 0.16],
  faint: ['accent', 1, 0.35],
  rank: ['accent', 1.25, 1],
  pin: ['quiet', 1.5, 1],
  main: ['accent', 1.75, 1]
};

export function paint(
  plot: uPlot,
  layers: readonly Layer[],
  marks: readonly number[],
  colours: Colours
): void {
  const { ctx, bbox } = plot;
  const ratio = devicePixelRatio;
  const many = layers.filter(layer => layer.kind === 'rank').length;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  ctx.lineJoin = 'bevel'; // The cheapest: 64 ranks are many corners.
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
    // Many lines on top of each other still show where most of them are.
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
  ctx.restore();
}

/** Canvas pixels; NaN where a number has no place, as nought on a logarithmic axis. */
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
    const start = ctx.canvas.height * 2; // Where the lowest has no place, the range goes to the bottom.
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

/** Near the last point that is seen, on a ground of its own. */
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
