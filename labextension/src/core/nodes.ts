/** What is said about a node. */
import { milliseconds } from './format';
import type { Node } from './types';

/** How long its slowest rank takes for a step. */
export function stepTime(node: Node): number | null {
  const times = node.ranks.flatMap(rank => (rank.step_time === null ? [] : [rank.step_time]));
  return times.length === 0 ? null : Math.max(...times);
}

export function pace(node: Node): string {
  const time = stepTime(node);
  return time === null ? node.state : milliseconds(time);
}
