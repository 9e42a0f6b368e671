/** What is said about a node. */
import type { Tone } from './describe';
import { duration, percent, plural } from './format';
import type { Node, NodeState } from './types';

/** A bar: what it measures, how much of it, and in numbers. */
export interface Gauge {
  name: string;
  share: number;
  words: string;
}

/** How long a step takes on its slowest rank: `61 ms`, and whether that is slow. */
export function pace(node: Node): string {
  const times = node.ranks.flatMap(({ step_time: time }) => (time === null ? [] : [time]));
  return times.length === 0 ? '' : stepTime(Math.max(...times));
}

export function stepTime(seconds: number): string {
  const ms = seconds * 1000;
  return ms >= 999.5 ? duration(seconds) : `${ms < 9.95 ? ms.toPrecision(2) : Math.round(ms)} ms`;
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

/** The few words of a tile: how fast where it computes, else what it is about, short enough for a tile. */
export function note(node: Node): string {
  const state = node.state === 'Succeeded' ? 'Done' : node.state;
  const words = node.state === 'Running' ? pace(node) || state : state;
  return isSlow(node) ? `${words} slow` : words;
}

/** CPU, memory and GPUs against their limits; the GPUs of a node together. */
export function gauges(node: Node): Gauge[] {
  const { usage } = node;
  if (usage === null || node.state !== 'Running') {
    return [];
  }
  const { cpu, cpu_limit: cores, memory, memory_limit: most, gpus } = usage;
  const found: Gauge[] = [];
  if (cores) {
    found.push({ name: 'CPU', share: cpu / cores, words: `${cpu.toFixed(1)} of ${plural(cores, 'core')}` });
  }
  if (most) {
    found.push({ name: 'mem', share: memory / most, words: `${bytes(memory)} of ${bytes(most)}` });
  }
  const busy = gpus.flatMap(gpu => (gpu.busy === null ? [] : [gpu.busy]));
  if (busy.length > 0) {
    const mean = busy.reduce((sum, share) => sum + share, 0) / busy.length;
    found.push({ name: 'GPU', share: mean, words: percent(mean) });
  }
  return found;
}

/** Everything that is known of a node, as names and words. */
export function details(node: Node): [name: string, words: string][] {
  const { usage, exit_code: code } = node;
  const timed = node.ranks.filter(rank => rank.step_time !== null);
  const all: [string, string][] = [
    ['state', code === null ? node.state : `${node.state}, exit code ${code}`],
    ['reason', node.reason],
    ['pod', node.pod],
    ['machine', node.host],
    ['restarts', node.restarts > 0 ? String(node.restarts) : ''],
    [
      'time of a step',
      timed
        .map(
          ({ rank, step_time: time, slow }) => `rank ${rank}: ${stepTime(time ?? 0)}${slow ? ' slow' : ''}`
        )
        .join(' · ')
    ]
  ];
  if (usage !== null && node.state === 'Running') {
    const of = (limit: string): string => (limit === '' ? '' : ` of ${limit}`);
    all.push(
      ['CPU', `${usage.cpu.toFixed(1)}${of(usage.cpu_limit ? plural(usage.cpu_limit, 'core') : '')}`],
      ['memory', bytes(usage.memory) + of(usage.memory_limit ? bytes(usage.memory_limit) : '')],
      ...usage.gpus.map(({ name, busy, memory, memory_total: most }, i): [string, string] => [
        `GPU ${i}`,
        [name, busy === null ? '' : percent(busy), `${bytes(memory)} of ${bytes(most)}`]
          .filter(part => part !== '')
          .join(' · ')
      ])
    );
  }
  return all.filter(([, words]) => words !== '');
}

/** The node to look at first: one that failed, else one that is slow or waits, else the first. */
export function worst(nodes: readonly Node[]): Node | undefined {
  return (
    nodes.find(node => node.state === 'Failed') ??
    nodes.find(node => isSlow(node)) ??
    nodes.find(node => node.state === 'Waiting' || node.state === 'Gone') ??
    nodes[0]
  );
}

/** `64 nodes: 61 running, 2 failed, 1 waiting; slow: 5, 41`. */
export function tally(nodes: readonly Node[]): string {
  const counts = new Map<string, number>();
  for (const { state } of nodes) {
    counts.set(state, (counts.get(state) ?? 0) + 1);
  }
  const states = [...counts].map(([state, n]) => `${n} ${state.toLowerCase()}`).join(', ');
  const slow = nodes.filter(isSlow).map(node => node.index);
  const named = slow.length > 8 ? [...slow.slice(0, 8), '…'] : slow;
  return `${plural(nodes.length, 'node')}: ${states}${slow.length > 0 ? `; slow: ${named.join(', ')}` : ''}`;
}

/** Bytes as people read them: `512 MiB`, `5.1 GiB`. */
export function bytes(n: number): string {
  let [size, unit] = [n / 1024, 0];
  for (; size >= 1024 && unit < 3; unit++) {
    size /= 1024;
  }
  return `${size < 10 && unit > 1 ? size.toFixed(1) : Math.round(size)} ${['KiB', 'MiB', 'GiB', 'TiB'][unit]}`;
}
