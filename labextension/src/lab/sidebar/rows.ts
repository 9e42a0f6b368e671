/** The layout of the job list: filtered, sorted and grouped rows, and those that are visible. No DOM. */
import { stateText } from '../../core/jobs/jobText';
import { groupText, groupRows } from '../../core/jobs/jobGroups';
import type { JobRow } from '../../core/jobTypes';
import { trans } from '../../core/i18n';

export const ROW_HEIGHT = 58;
export const HEADING_HEIGHT = 30;
/** Pixels that are drawn above and below the visible part, so that scrolling shows no gap. */
const MARGIN = 240;

export type Sort = 'newest' | 'oldest' | 'name';

export const sortNames = (): [sort: Sort, name: string][] => [
  ['newest', trans.__('Newest first')],
  ['oldest', trans.__('Oldest first')],
  ['name', trans.__('By name')]
];

export interface RowQuery {
  /** Words that all have to be in the name, the reason, the runtime, the state or its group. */
  text: string;
  sort: Sort;
}

export type Item =
  | { is: 'heading'; name: string; count: number; top: number }
  | { is: 'job'; row: JobRow; top: number; /** Its index among all jobs. */ at: number };

export interface RowLayout {
  items: Item[];
  jobs: number;
  height: number;
}

/** Lays out the rows that match the query. */
export function layOut(rows: readonly JobRow[], { text, sort }: RowQuery): RowLayout {
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const matching =
    words.length === 0 ? rows : rows.filter(row => words.every(word => searchText(row).includes(word)));
  const items: Item[] = [];
  let [top, at] = [0, 0];
  for (const [name, group] of groupRows(matching)) {
    items.push({ is: 'heading', name, count: group.length, top });
    top += HEADING_HEIGHT;
    for (const row of sorted(group, sort)) {
      items.push({ is: 'job', row, top, at: at++ });
      top += ROW_HEIGHT;
    }
  }
  return { items, jobs: at, height: top };
}

/** Adds space below rows with a confirmation or message; `more`: its height, by uid. */
export function withExtraHeights(all: RowLayout, more: ReadonlyMap<string, number>): RowLayout {
  if (more.size === 0) {
    return all;
  }
  let down = 0;
  const items = all.items.map(item => {
    const moved = { ...item, top: item.top + down };
    down += item.is === 'job' ? (more.get(item.row.uid) ?? 0) : 0;
    return moved;
  });
  return { ...all, items, height: all.height + down };
}

/** The items between two heights, with a margin; `items` are in order. */
export function visibleItems(items: readonly Item[], from: number, to: number): Item[] {
  return items.slice(first(items, from - MARGIN - ROW_HEIGHT), first(items, to + MARGIN));
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
    return rows; // Their order within the groups.
  }
  return sort === 'oldest' ? [...rows].reverse() : [...rows].sort((a, b) => a.name.localeCompare(b.name));
}

const searchText = (row: JobRow): string =>
  [row.name, row.reason, row.runtime, stateText(row.state), groupText(row.state)].join(' ').toLowerCase();
