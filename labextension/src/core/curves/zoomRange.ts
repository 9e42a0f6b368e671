/** A range of steps; a zoom of null shows all steps. */
export type Range = readonly [from: number, to: number];
export type Zoom = Range | null;

/** The narrowest zoom, as a share of all steps. */
const MIN_SHARE = 1e-5;

/** `range` moved into `whole` and at least as wide as the narrowest zoom; null if it is all of `whole`. */
export function clampRange([from, to]: Range, whole: Range): Zoom {
  const steps = whole[1] - whole[0];
  const width = Math.max(Math.abs(to - from), steps * MIN_SHARE);
  if (!(width < steps * 0.999)) {
    return null;
  }
  const start = Math.min(Math.max(Math.min(from, to), whole[0]), whole[1] - width);
  return [start, start + width];
}

/** Zooms in (`factor` < 1) or out around a step, which keeps its place in the chart. */
export function scaleRange(zoom: Zoom, whole: Range, factor: number, around?: number): Zoom {
  const [from, to] = zoom ?? whole;
  const centre = around ?? (from + to) / 2;
  return clampRange([centre - (centre - from) * factor, centre + (to - centre) * factor], whole);
}

/** Moves the visible range by a share of its width. */
export function panRange(zoom: Zoom, whole: Range, share: number): Zoom {
  if (zoom === null) {
    return null;
  }
  const by = (zoom[1] - zoom[0]) * share;
  return clampRange([zoom[0] + by, zoom[1] + by], whole);
}
