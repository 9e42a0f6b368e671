/**
 * The page's single connection to its Jupyter server. It carries any number of channels, each for the jobs of one
 * namespace of a cluster.
 *
 * `jupyter_trainjob/server/stream_session.py` is the other end. A lost connection is retried with exponential backoff,
 * and at once when the computer wakes up or comes online; every channel then restarts on it.
 */
import { Store } from '../store';
import { JobsStore } from './jobsStore';
import type { Bytes, FromKernel, ToKernel } from '../protocol/messages';
import { trans } from '../i18n';

/** The part of `WebSocket` that is used. */
export interface Socket {
  binaryType: 'arraybuffer' | 'blob';
  addEventListener(type: 'open' | 'close', listener: () => void): void;
  addEventListener(type: 'message', listener: (event: { data: unknown }) => void): void;
  send(text: string): void;
  close(): void;
}

/** A namespace of a cluster; null stands for the default. */
export interface NamespaceRef {
  context: string | null;
  namespace: string | null;
}

export interface ChannelView {
  /** The context's name on the server; null before the server has sent it. */
  context: string | null;
  namespace: string | null;
  /** Why the jobs are missing or out of date; empty if they are not. */
  trouble: string;
  /** The login page, if logging in helps. */
  login: string;
}

/** Why there is no connection, and the login page if logging in helps. */
export interface ConnectionProblem {
  trouble: string;
  login: string;
}

const FIRST_PAUSE_MS = 500;
const LAST_PAUSE_MS = 10_000;
/** Interval at which a refused channel is requested again. */
const REFUSED_PAUSE_MS = 10_000;
const PING_MS = 15_000;
/** A stream without a message for longer after a ping is closed. */
const SILENCE_MS = 10_000;
/** Timeout for opening a connection. */
const CONNECT_MS = 20_000;
const noConnection = (): ConnectionProblem => ({
  trouble: trans.__(
    'The Jupyter server does not answer. What you see may be out of date; reconnecting automatically.'
  ),
  login: ''
});

/** The jobs of one namespace, while their channel is open. */
export class Channel extends Store<ChannelView> {
  readonly jobs: JobsStore;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly ref: NamespaceRef & { list: boolean },
    private readonly send: (message: object) => void
  ) {
    super({ context: null, namespace: null, trouble: '', login: '' });
    this.jobs = new JobsStore((message: ToKernel) => send(message), { panel: ref.list });
  }

  /** Starts on a new connection. */
  start(): void {
    clearTimeout(this.retryTimer);
    this.send({ kind: 'start', ...this.ref });
    this.jobs.restart();
  }

  setProblem(problem: ConnectionProblem): void {
    clearTimeout(this.retryTimer);
    this.change(problem);
  }

  end(): void {
    clearTimeout(this.retryTimer);
    this.send({ kind: 'end' });
  }

  receive(message: FromServer, buffers: readonly Bytes[]): void {
    if (message.kind === 'started') {
      const { context, namespace } = message;
      this.change({ context, namespace, trouble: '', login: '' });
    } else if (message.kind === 'refused') {
      this.change({ trouble: message.why, login: '' });
      clearTimeout(this.retryTimer);
      this.retryTimer = setTimeout(() => this.start(), REFUSED_PAUSE_MS);
    } else {
      this.jobs.receive(message, buffers);
    }
  }
}

type FromServer =
  FromKernel | { kind: 'started'; context: string; namespace: string } | { kind: 'refused'; why: string };

/** A channel that can be closed and reopened. */
export interface OpenChannel {
  readonly channel: Channel;
  close(): void;
  reopen(): void;
}

export class Stream {
  private readonly channels = new Map<number, Channel>();
  private socket: Socket | null = null;
  private isOpen = false;
  private problem: ConnectionProblem | null = null;
  private count = 0;
  private pause = FIRST_PAUSE_MS;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private pingTimer: ReturnType<typeof setInterval> | undefined;
  private silenceTimer: ReturnType<typeof setTimeout> | undefined;

  /**
   * `connect` opens a connection; it is called when the first channel is opened. `explain` finds out why a connection
   * failed, as a socket does not report it; null: unknown.
   */
  constructor(
    private readonly connect: () => Socket,
    private readonly explain: () => Promise<ConnectionProblem | null> = async () => null
  ) {}

  /** Opens a channel, with the list of its jobs if `list`. The caller closes it, and may reopen it as it was. */
  open(ref: NamespaceRef & { list: boolean }): OpenChannel {
    const number = ++this.count;
    const channel = new Channel(ref, message => this.send({ ...message, channel: number }));
    const reopen = (): void => {
      if (!this.channels.has(number)) {
        this.channels.set(number, channel);
        this.startChannel(channel);
      }
    };
    const close = (): void => {
      if (this.channels.delete(number)) {
        channel.end();
        if (this.channels.size === 0) {
          this.close();
        }
      }
    };
    reopen();
    return { channel, close, reopen };
  }

  /** Reconnects at once, or checks an open connection: after a sleep, or when online again. */
  wake(): void {
    if (this.isOpen) {
      this.ping();
    } else if (this.channels.size > 0 && this.socket === null) {
      this.openSocket();
    }
  }

  close(): void {
    const { socket } = this;
    this.reset();
    this.pause = FIRST_PAUSE_MS;
    socket?.close();
  }

  private startChannel(channel: Channel): void {
    if (this.isOpen) {
      channel.start();
      return;
    }
    if (this.problem !== null) {
      channel.setProblem(this.problem);
    }
    this.wake();
  }

  private openSocket(): void {
    clearTimeout(this.retryTimer);
    const socket = this.connect();
    this.socket = socket;
    socket.binaryType = 'arraybuffer';
    this.silenceTimer = setTimeout(() => this.onLost(), CONNECT_MS);
    const isOurs = (): boolean => this.socket === socket;
    socket.addEventListener('open', () => {
      if (isOurs()) {
        this.isOpen = true;
        this.problem = null;
        this.clearSilenceTimer();
        this.pingTimer = setInterval(() => this.ping(), PING_MS);
        this.channels.forEach(channel => channel.start());
      }
    });
    socket.addEventListener('message', ({ data }) => {
      if (isOurs()) {
        this.pause = FIRST_PAUSE_MS;
        this.clearSilenceTimer();
        const [message, buffers] = parse(data);
        this.channels.get(message.channel)?.receive(message, buffers);
      }
    });
    socket.addEventListener('close', () => {
      if (isOurs()) {
        this.onLost();
      }
    });
  }

  private onLost(): void {
    const { socket, isOpen } = this;
    this.reset();
    socket?.close();
    this.reportProblem(this.problem ?? noConnection());
    this.retryTimer = setTimeout(() => this.openSocket(), this.pause);
    this.pause = Math.min(2 * this.pause, LAST_PAUSE_MS);
    if (!isOpen) {
      void this.explain().then(problem => !this.isOpen && this.reportProblem(problem ?? noConnection()));
    }
  }

  private reportProblem(problem: ConnectionProblem): void {
    this.problem = problem;
    this.channels.forEach(channel => channel.setProblem(problem));
  }

  private clearSilenceTimer(): void {
    clearTimeout(this.silenceTimer);
    this.silenceTimer = undefined;
  }

  private reset(): void {
    clearTimeout(this.retryTimer);
    clearInterval(this.pingTimer);
    this.clearSilenceTimer();
    this.socket = null;
    this.isOpen = false;
  }

  private ping(): void {
    this.send({ kind: 'ping' });
    this.silenceTimer ??= setTimeout(() => this.onLost(), SILENCE_MS);
  }

  private send(message: object): void {
    if (this.isOpen) {
      this.socket?.send(JSON.stringify(message));
    }
  }
}

/** Reads a frame: see `jupyter_trainjob/server/stream_socket.py`. */
function parse(data: unknown): [FromServer & { channel: number }, Uint8Array[]] {
  if (!(data instanceof ArrayBuffer)) {
    return [JSON.parse(String(data)), []];
  }
  const length = new DataView(data).getUint32(0, true);
  const message = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
  let at = 4 + length;
  const buffers = (message.buffers as number[]).map(size => {
    const part = new Uint8Array(data, at, size);
    at += size;
    return part;
  });
  return [message, buffers];
}
