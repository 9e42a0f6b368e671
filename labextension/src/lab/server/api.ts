/** Client of the server extension's routes: see `jupyter_trainjob/server/routes.py`. */
import { ServerConnection } from '@jupyterlab/services';

import { trans } from '../../core/i18n';
import { textField } from '../../core/textField';
import type { FieldValues, DraftedJob, FormField } from './jobForm';

export interface Cluster {
  name: string;
  /** Its display name: `this computer` or the context's name. */
  place: string;
  embedded: boolean;
  /** Whether the embedded cluster runs; null for other clusters. */
  running: boolean | null;
  namespace: string;
  /** Whether it is the default for calls without a context. */
  chosen: boolean;
}

/** The free amount, and the total. */
export type FreeTotal = [free: number, total: number];

/** The capacity of a node: CPU in cores, memory in bytes. */
export interface NodeCapacity {
  name: string;
  ready: boolean;
  cpu: FreeTotal;
  memory: FreeTotal;
  gpus: FreeTotal;
  /** Running pods without a CPU or memory request. */
  unasked: number;
  /** The product name of its GPUs. */
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

/** An error response; its message is shown to the user. */
export class ServerError extends Error {
  constructor(
    message: string,
    readonly status: number
  ) {
    super(message);
  }
}

/** The status for an unreachable cluster, which the server reports in a successful response. */
const BAD_GATEWAY = 502;
const noAnswerText = (): string =>
  trans.__('The Jupyter server does not answer. Check that it is running, and try again.');
const versionMismatchText = (): string =>
  trans.__('This server has no extension of jupyter_trainjob, or another version: reload the page.');

export class Api {
  constructor(private readonly settings: ServerConnection.ISettings) {}

  /** `why`: the problem with the kubeconfig, if its contexts are missing. */
  readonly clusters = (): Promise<{ clusters: Cluster[]; why: string }> => this.get('clusters');
  readonly embedded = (action: 'start' | 'stop'): Promise<Cluster> => this.post('embedded', { do: action });
  readonly namespaces = (context: string | null): Promise<{ namespaces: string[]; why: string }> =>
    this.get('namespaces', { context });
  readonly capacity = (context: string | null): Promise<{ nodes: NodeCapacity[]; why: string }> =>
    this.get('capacity', { context });
  readonly runtimes = async (context: string | null, namespace: string | null): Promise<Runtime[]> =>
    (await this.get<{ runtimes: Runtime[] }>('runtimes', { context, namespace })).runtimes;
  readonly doctor = async (context: string | null): Promise<Check[]> =>
    (await this.get<{ checks: Check[] }>('doctor', { context })).checks;
  /** The metrics of a job, as columns of one length; null: no number. */
  readonly metrics = async (
    namespace: string,
    job: string,
    context: string | null
  ): Promise<Record<string, (number | null)[]>> => {
    const path = `metrics/${encodeURIComponent(namespace)}/${encodeURIComponent(job)}`;
    return (await this.get<{ metrics: Record<string, (number | null)[]> }>(path, { context })).metrics;
  };
  readonly fields = async (): Promise<FormField[]> =>
    (await this.get<{ fields: FormField[] }>('form')).fields;
  readonly form = (
    options: FieldValues,
    context: string | null,
    namespace: string | null
  ): Promise<DraftedJob> => this.post('form', { options, context, namespace });

  get<T>(path: string, query: Record<string, string | null> = {}): Promise<T> {
    const parameters = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== null);
    const search = parameters.length === 0 ? '' : `?${new URLSearchParams(parameters)}`;
    return this.send(`${path}${search}`, { method: 'GET' });
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
      throw new ServerError(noAnswerText(), 0);
    }
    const body: unknown = await answer.json().catch(() => null);
    if (!answer.ok || body === null) {
      const message = (body as { message?: unknown } | null)?.message;
      throw new ServerError(
        typeof message === 'string' && message !== '' ? message : versionMismatchText(),
        answer.status
      );
    }
    const unreachable = textField(body, 'away');
    if (unreachable !== '') {
      throw new ServerError(unreachable, BAD_GATEWAY);
    }
    return body as T;
  }
}
