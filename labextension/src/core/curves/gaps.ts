/** The steps at which a metric was infinite or not a number, so that the curve has a gap. */
import { count, value } from '../format';
import { trans } from '../i18n';
import type { Curve } from '../jobTypes';

/** Consecutive points with the same infinite value, or NaN. */
export interface Gap {
  value: number;
  from: number;
  to: number;
}

/** How many gaps a text names. */
const NAMED = 2;

export function gapsOf({ x, mean }: Curve): Gap[] {
  const gaps: Gap[] = [];
  let open: Gap | null = null;
  mean.forEach((number, i) => {
    const step = x[i] ?? 0;
    if (Number.isFinite(number)) {
      open = null;
    } else if (open !== null && Object.is(open.value, number)) {
      open.to = step;
    } else {
      open = { value: number, from: step, to: step };
      gaps.push(open);
    }
  });
  return gaps;
}

/** `inf at step 12, nan at steps 400 to 596 and 3 more`; empty without gaps. */
export function gapsText(gaps: readonly Gap[]): string {
  const named = gaps
    .slice(0, NAMED)
    .map(({ value: number, from, to }) =>
      from === to
        ? trans.__('%1 at step %2', value(number), count(from))
        : trans.__('%1 at steps %2 to %3', value(number), count(from), count(to))
    )
    .join(', ');
  return gaps.length > NAMED ? trans.__('%1 and %2 more', named, gaps.length - NAMED) : named;
}
