/** Texts of the nodes' total capacity, for the sidebar and the form. */
import { trans } from '../../core/i18n';
import type { NodeCapacity, FreeTotal } from './api';

export const GIB = 2 ** 30;

/** The sum over nodes. */
export const sumOf = (nodes: readonly NodeCapacity[], of: (node: NodeCapacity) => FreeTotal): FreeTotal =>
  nodes.reduce<FreeTotal>(([free, total], node) => [free + of(node)[0], total + of(node)[1]], [0, 0]);

/** An amount to one decimal. */
export const oneDecimal = (amount: number): string => String(Math.round(amount * 10) / 10);

/** Describes running pods without a resource request. */
export const noRequestText = (pods: number): string =>
  trans._n(
    '%1 running pod has no CPU or memory request.',
    '%1 running pods have no CPU or memory request.',
    pods
  );
