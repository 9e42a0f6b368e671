/** What the extension asks its Jupyter server, route by route: see `jupyter_trainjob/server/routes.py`. */
import type { ServerSettings } from '@jupyterlab/application';
import { ServerConnection } from '@jupyterlab/services';

import { trans } from '../core/words';
import type { Drafted } from './newJob/choice';

export interface Cluster {
  name: string;
  /** In words: `this computer` or the context's name. */
  place: string;
  embedded: boolean;
  /** Of the embedded one. */
  running: boolean | null;
  namespace: string;
  /** Where calls go that name none. */
  chosen: boolean;
}

/** Free, and in all. */
export type Room = [free: number, total: number];

/** Processors in cores, memory in bytes. */
export interface NodeRoom {
  name: string;
  ready: boolean;
  cpu: Room;
  memory: Room;
  gpus: Room;
  /** Pods that asked for nothing, and use what is there. */
  unasked: number;
  /** What its GPUs are called. */
  gpu: string;
}

export interface Runtime {
  name: string;
  kind: string;
  framework: string;
  nodes: number;
  image: string;
  python: string;
  packages: string[];
  gpus: number;
}

export interface Check {
  name: string;
  level: 'ok' | 'note' | 'problem';
  text: string;
  remedy: string;
}

/** A refusal, whose message is for people. */
export class Refused extends Error {
  constructor(
    message: string,
    readonly status: number
  ) {
    super(message);
  }
}

const away = (): string =>
  trans.__('The Jupyter server does not answer. Look whether it runs, and try again.');
const other = (): string =>
  trans.__('This server has no extension of jupyter_trainjob, or another version: reload the page.');

export class Api {
  constructor(private readonly settings: ServerSettings) {}

  /** `why`: what is wrong with the kubeconfig, whose contexts are missing then. */
  readonly clusters = (): Promise<{ clusters: Cluster[]; why: string }> => this.get('clusters');
  readonly embedded = (what: 'start' | 'stop'): Promise<Cluster> => this.post('embedded', { do: what });
  readonly namespaces = (context: string | null): Promise<{ namespaces: string[]; why: string }> =>
    this.get('namespaces', { context });
  readonly capacity = (context: string | null): Promise<{ nodes: NodeRoom[]; why: string }> =>
    this.get('capacity', { context });
  readonly runtimes = async (context: string | null, namespace: string | null): Promise<Runtime[]> =>
    (await this.get<{ runtimes: Runtime[] }>('runtimes', { context, namespace })).runtimes;
  readonly doctor = async (context: string | null): Promise<Check[]> =>
    (await this.get<{ checks: Check[] }>('doctor', { context })).checks;
  /** What a job has reported, as columns of one length; null: there is no number. */
  readonly metrics = async (
    namespace: string,
    job: string,
    context: string | null
  ): Promise<Record<string, (number | null)[]>> => {
    const path = `metrics/${encodeURIComponent(namespace)}/${encodeURIComponent(job)}`;
    return (await this.get<{ metrics: Record<string, (number | null)[]> }>(path, { context })).metrics;
  };
  readonly form = (
    options: Record<string, unknown>,
    context: string | null,
    namespace: string | null
  ): Promise<Drafted> => this.post('form', { options, context, namespace });

  get<T>(path: string, query: Record<string, string | null> = {}): Promise<T> {
    const given = Object.entries(query).filter((each): each is [string, string] => each[1] !== null);
    const asked = given.length === 0 ? '' : `?${new URLSearchParams(given)}`;
    return this.send(`${path}${asked}`, { method: 'GET' });
  }

  post<T>(path: string, body: object): Promise<T> {
    return this.send(path, { method: 'POST', body: JSON.stringify(body) });
  }

  private async send<T>(path: string, init: RequestInit): Promise<T> {
    const url = `${this.settings.baseUrl}jupyter-trainjob/${path}`;
    let answer: Response;
    try {
      answer = await ServerConnection.makeRequest(url, init, this.settings);
    } catch {
      throw new Refused(away(), 0);
    }
    const found: unknown = await answer.json().catch(() => null);
    if (!answer.ok || found === null) {
      const message = (found as { message?: unknown } | null)?.message;
      throw new Refused(typeof message === 'string' && message !== '' ? message : other(), answer.status);
    }
    return found as T;
  }
}
