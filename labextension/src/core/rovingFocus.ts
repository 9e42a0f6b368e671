/** Roving tab index: keyboard navigation among elements that share one tab stop. */

/** Returns the index that a key moves to from `at`, among `count` elements in rows of `columns`; null for other keys. Lists wrap around. */
export function nextFocus(key: string, at: number, count: number, columns: number): number | null {
  const [across, down] = [columns > 1, columns < count];
  const steps: Record<string, number> = {
    ...(across && { ArrowLeft: -1, ArrowRight: 1 }),
    ...(down && { ArrowUp: -columns, ArrowDown: columns }),
    Home: -at,
    End: count - 1 - at
  };
  const step = steps[key];
  if (step === undefined) {
    return null;
  }
  const to = at + step;
  const inside = to >= 0 && to < count;
  return inside ? to : Math.abs(step) === 1 ? (to + count) % count : at;
}
