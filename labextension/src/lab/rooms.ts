/** What nodes have together, in words: for the sidebar and the form. */
import type { NodeRoom, Room } from './api';

export const GIB = 2 ** 30;

/** The sum over nodes. */
export const together = (nodes: readonly NodeRoom[], of: (node: NodeRoom) => Room): Room =>
  nodes.reduce<Room>(([free, total], node) => [free + of(node)[0], total + of(node)[1]], [0, 0]);

/** An amount to one decimal. */
export const tidy = (amount: number): string => String(Math.round(amount * 10) / 10);
