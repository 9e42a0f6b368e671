/** Default objects for tests: a job, a failure, a node and a row. */
import type { Failure, Job, JobRow, Node } from '../src/core/jobTypes';

export function job(part: Partial<Job> = {}): Job {
  return {
    uid: 'u1',
    name: 'digits-x7k2p',
    namespace: 'default',
    place: 'this computer',
    state: 'Running',
    runtime: 'torch-distributed',
    nodes: 8,
    procs_per_node: 1,
    reason: '',
    phases: [
      { name: 'queued', started: 100, ended: 100.5 },
      { name: 'training', started: 100.5, ended: null }
    ],
    created: 100,
    finished: null,
    step: 2592,
    total: 3600,
    eta: 41,
    progress: 0.72,
    metrics: [['loss', 0.184]],
    ranks_running: 8,
    nodes_done: 0,
    restarts: 0,
    reach: 'digits',
    warnings: [],
    checkpoint: null,
    failure: null,
    now: 206.5,
    ...part
  };
}

export function failure(part: Partial<Failure> = {}): Failure {
  return {
    headline: 'ValueError: no',
    rank: 3,
    where: 'Cell [12], line 4',
    source: '    loss = f(x)',
    traceback: 'Traceback …',
    remedy: '',
    first: '',
    ...part
  };
}

export function node(part: Partial<Node> = {}): Node {
  return {
    index: 0,
    pod: 'digits-node-0-0',
    host: 'gpu-a-17',
    state: 'Running',
    reason: '',
    restarts: 0,
    exit_code: null,
    usage: null,
    ranks: [],
    ...part
  };
}

export function row(part: Partial<JobRow> = {}): JobRow {
  return {
    uid: 'u1',
    name: 'digits-x7k2p',
    namespace: 'default',
    state: 'Running',
    created: 400,
    finished: null,
    nodes: 8,
    runtime: 'torch-distributed',
    progress: null,
    eta: null,
    reason: '',
    metric: null,
    checkpoint: null,
    ...part
  };
}
