/** Texts of a node. */
import type { Tone } from './jobText';
import { count, duration, nodesText, percent } from '../format';
import type { Node, NodeState } from '../jobTypes';
import { type Texts, textOf, trans } from '../i18n';

/** A usage bar: the resource's name, the used share, and the amounts as text. */
export interface Gauge {
  name: string;
  share: number;
  text: string;
}

/** The step time of the node's slowest rank: `61 ms`. */
export function slowestStepText(node: Node): string {
  const times = node.ranks.flatMap(({ step_time: time }) => (time === null ? [] : [time]));
  return times.length === 0 ? '' : stepTimeText(Math.max(...times));
}

export function stepTimeText(seconds: number): string {
  const ms = seconds * 1000;
  return ms >= 999.5 ? duration(seconds) : trans.__('%1 ms', ms < 9.95 ? ms.toPrecision(2) : Math.round(ms));
}

export function isSlow(node: Node): boolean {
  return node.state === 'Running' && node.ranks.some(rank => rank.slow);
}

const TONES: Record<NodeState, Tone> = {
  Waiting: 'waiting',
  Starting: 'active',
  Running: 'active',
  Succeeded: 'good',
  Failed: 'bad',
  Stopped: 'plain',
  Gone: 'plain'
};

export function nodeTone(node: Node): Tone {
  return isSlow(node) ? 'waiting' : (TONES[node.state] ?? 'plain');
}

const STATES: Texts<NodeState> = {
  Waiting: () => trans.__('Waiting'),
  Starting: () => trans.__('Starting'),
  Running: () => trans.__('Running'),
  Succeeded: () => trans.__('Succeeded'),
  Failed: () => trans.__('Failed'),
  Stopped: () => trans.__('Stopped'),
  Gone: () => trans.__('Gone')
};

/** A node's state in the user's language. */
const stateText = (state: NodeState): string => textOf(STATES, state);

const coresText = (n: number): string => trans._n('%2 core', '%2 cores', n, count(n));

/** The status for a small tile: the step time of a running node, else its state. */
export function shortStatus(node: Node): string {
  const state = node.state === 'Succeeded' ? trans.__('Done') : stateText(node.state);
  return node.state === 'Running' ? slowestStepText(node) || state : state;
}

/** The status for a tile, including whether the node is slow. */
export function fullStatus(node: Node): string {
  return isSlow(node) ? trans.__('%1 slow', shortStatus(node)) : shortStatus(node);
}

/** CPU, memory and GPUs against their limits; the GPUs of a node together. */
export function gauges(node: Node): Gauge[] {
  const { usage } = node;
  if (usage === null || node.state !== 'Running') {
    return [];
  }
  const { cpu, cpu_limit: cores, memory, memory_limit: most, gpus } = usage;
  const bars: Gauge[] = [];
  if (cores) {
    const text = trans.__('%1 of %2', cpu.toFixed(1), coresText(cores));
    bars.push({ name: trans.__('CPU'), share: cpu / cores, text });
  }
  if (most) {
    const text = trans.__('%1 of %2', bytes(memory), bytes(most));
    bars.push({ name: trans.__('mem'), share: memory / most, text });
  }
  const busy = gpus.flatMap(gpu => (gpu.busy === null ? [] : [gpu.busy]));
  if (busy.length > 0) {
    const mean = busy.reduce((sum, share) => sum + share, 0) / busy.length;
    bars.push({ name: trans.__('GPU'), share: mean, text: percent(mean) });
  }
  return bars;
}

/** All details of a node, as names and texts. */
export function nodeDetails(node: Node): [name: string, text: string][] {
  const { usage, exit_code: code } = node;
  const timed = node.ranks.filter(rank => rank.step_time !== null);
  const all: [string, string][] = [
    [
      trans.__('state'),
      code === null ? stateText(node.state) : trans.__('%1, exit code %2', stateText(node.state), code)
    ],
    [trans.__('reason'), node.reason],
    [trans.__('pod'), node.pod],
    [trans.__('machine'), node.host],
    [trans.__('restarts'), node.restarts > 0 ? String(node.restarts) : ''],
    [
      trans.__('time of a step'),
      timed
        .map(({ rank, step_time: time, slow }) => {
          const took = stepTimeText(time ?? 0);
          return slow ? trans.__('rank %1: %2 slow', rank, took) : trans.__('rank %1: %2', rank, took);
        })
        .join(' · ')
    ]
  ];
  if (usage !== null && node.state === 'Running') {
    const ofLimit = (used: string, limit: string): string =>
      limit === '' ? used : trans.__('%1 of %2', used, limit);
    all.push(
      [trans.__('CPU'), ofLimit(usage.cpu.toFixed(1), usage.cpu_limit ? coresText(usage.cpu_limit) : '')],
      [trans.__('memory'), ofLimit(bytes(usage.memory), usage.memory_limit ? bytes(usage.memory_limit) : '')],
      ...usage.gpus.map(({ name, busy, memory, memory_total: most }, i): [string, string] => [
        trans.__('GPU %1', i),
        [name, busy === null ? '' : percent(busy), ofLimit(bytes(memory), bytes(most))]
          .filter(part => part !== '')
          .join(' · ')
      ])
    );
  }
  return all.filter(([, text]) => text !== '');
}

/** The node to show first: a failed one, else a slow or waiting one, else the first. */
export function mostNotable(nodes: readonly Node[]): Node | undefined {
  return (
    nodes.find(node => node.state === 'Failed') ??
    nodes.find(node => isSlow(node)) ??
    nodes.find(node => node.state === 'Waiting' || node.state === 'Gone') ??
    nodes[0]
  );
}

/** `64 nodes: 61 running, 2 failed, 1 waiting; slow: 5, 41`. */
export function nodeSummary(nodes: readonly Node[]): string {
  const counts = new Map<NodeState, number>();
  for (const { state } of nodes) {
    counts.set(state, (counts.get(state) ?? 0) + 1);
  }
  const states = [...counts].map(([state, n]) => `${n} ${stateText(state).toLowerCase()}`).join(', ');
  const slow = nodes.filter(isSlow).map(node => node.index);
  const named = slow.length > 8 ? [...slow.slice(0, 8), '…'] : slow;
  const all = nodesText(nodes.length);
  return slow.length > 0
    ? trans.__('%1: %2; slow: %3', all, states, named.join(', '))
    : trans.__('%1: %2', all, states);
}

/** Formats bytes: `512 MiB`, `5.1 GiB`. */
export function bytes(n: number): string {
  let [size, unit] = [n / 1024, 0];
  for (; size >= 1024 && unit < 3; unit++) {
    size /= 1024;
  }
  return `${size < 10 && unit > 1 ? size.toFixed(1) : Math.round(size)} ${['KiB', 'MiB', 'GiB', 'TiB'][unit]}`;
}
