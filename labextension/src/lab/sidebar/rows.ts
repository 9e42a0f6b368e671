/** The list as it is drawn: filtered, sorted, grouped, and of it only the stretch that is in sight. No DOM. */
import { stateText } from '../../core/describe';
import { groupText, grouped } from '../../core/list';
import type { JobRow } from '../../core/types';
import { trans } from '../../core/words';

export const ROW = 58;
export const HEADING = 30;
/** Drawn above and below what is in sight, so that a scroll shows no gap. */
const MARGIN = 240;

export type Sort = 'newest' | 'oldest' | 'name';

export const sorts = (): [sort: Sort, name: string][] => [
  ['newest', trans.__('Newest first')],
  ['oldest', trans.__('Oldest first')],
  ['name', trans.__('By name')]
];

export interface Wanted {
  /** Words that all have to be in the name, the reason, the runtime, the state or its group. */
  text: string;
  sort: Sort;
}

export type Item =
  | { is: 'heading'; name: string; count: number; top: number }
  | { is: 'job'; row: JobRow; top: number; /** Its place among all jobs. */ at: number };

export interface Listed {
  items: Item[];
  jobs: number;
  height: number;
}

/** Everything that is wanted, with where each lies. */
export function listed(rows: readonly JobRow[], { text, sort }: Wanted): Listed {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const found =
    words.length === 0 ? rows : rows.filter(row => words.every(word => haystack(row).includes(word)));
  const items: Item[] = [];
  let [top, at] = [0, 0];
  for (const [name, group] of grouped(found)) {
    items.push({ is: 'heading', name, count: group.length, top });
    top += HEADING;
    for (const row of sorted(group, sort)) {
      items.push({ is: 'job', row, top, at: at++ });
      top += ROW;
    }
  }
  return { items, jobs: at, height: top };
}

/** Those between two heights, with a margin; the items lie in order. */
export function inSight(items: readonly Item[], from: number, to: number): Item[] {
  return items.slice(first(items, from - MARGIN - ROW), first(items, to + MARGIN));
}

/** The first item at or below a height. */
function first(items: readonly Item[], top: number): number {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((items[middle]?.top ?? Infinity) < top) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

function sorted(rows: readonly JobRow[], sort: Sort): readonly JobRow[] {
  if (sort === 'newest') {
    return rows; // As they come in their groups.
  }
  return sort === 'oldest' ? [...rows].reverse() : [...rows].sort((a, b) => a.name.localeCompare(b.name));
}

const haystack = (row: JobRow): string =>
  [row.name, row.reason, row.runtime, stateText(row.state), groupText(row.state)].join(' ').toLowerCase();
