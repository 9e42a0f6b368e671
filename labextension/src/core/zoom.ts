/** The stretch of steps that is looked at; null is all of it. */
export type Range = readonly [from: number, to: number];
export type Zoom = Range | null;

/** The smallest share of the way that can fill a chart. */
const CLOSEST = 1e-5;

/** `range` moved into `whole` and no narrower than sensible; null where it is all of it. */
export function within([from, to]: Range, whole: Range): Zoom {
  const way = whole[1] - whole[0];
  const width = Math.max(Math.abs(to - from), way * CLOSEST);
  if (!(width < way * 0.999)) {
    return null;
  }
  const start = Math.min(Math.max(Math.min(from, to), whole[0]), whole[1] - width);
  return [start, start + width];
}

/** Closer (`factor` < 1) or wider around a step, which stays where it is. */
export function scaled(zoom: Zoom, whole: Range, factor: number, around?: number): Zoom {
  const [from, to] = zoom ?? whole;
  const still = around ?? (from + to) / 2;
  return within([still - (still - from) * factor, still + (to - still) * factor], whole);
}

/** Moved by a share of what is seen. */
export function moved(zoom: Zoom, whole: Range, share: number): Zoom {
  if (zoom === null) {
    return null;
  }
  const by = (zoom[1] - zoom[0]) * share;
  return within([zoom[0] + by, zoom[1] + by], whole);
}
