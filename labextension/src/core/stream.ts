/**
 * The one connection of a page to its Jupyter server, and what it carries: any number of places, each a cluster's
 * namespace with its jobs.
 *
 * `jupyter_trainjob/server/tab.py` is the other end. A connection that is lost is made anew, after pauses that grow, at
 * once when the computer wakes up or is online again; every place starts again on it by itself.
 */
import { Held } from './held';
import { Jobs } from './jobs';
import type { Bytes, FromKernel, ToKernel } from './protocol';
import { trans } from './words';

/** What is used of a websocket. */
export interface Socket {
  binaryType: 'arraybuffer' | 'blob';
  addEventListener(type: 'open' | 'close', heard: () => void): void;
  addEventListener(type: 'message', heard: (event: { data: unknown }) => void): void;
  send(text: string): void;
  close(): void;
}

/** Where jobs are; null: where calls that name none go. */
export interface Where {
  context: string | null;
  namespace: string | null;
}

export interface PlaceView {
  /** As the server calls it; null before it has said so. */
  context: string | null;
  namespace: string | null;
  /** Why there is nothing, or nothing new: in words; empty while all is well. */
  trouble: string;
  /** Where to log in again, if that is the trouble. */
  login: string;
}

/** Why there is no connection: in words, and where to log in again if that helps. */
export interface Away {
  trouble: string;
  login: string;
}

const FIRST_PAUSE_MS = 500;
const LAST_PAUSE_MS = 10_000;
/** So often a place that was refused is asked for again. */
const REFUSED_PAUSE_MS = 10_000;
const PING_MS = 15_000;
/** A stream that is silent for longer after a ping is dead. */
const SILENCE_MS = 10_000;
/** So long a connection may take to come about. */
const CONNECT_MS = 20_000;
const away = (): Away => ({
  trouble: trans.__(
    'The Jupyter server does not answer. What you see is as it was; it is tried again by itself.'
  ),
  login: ''
});

/** Jobs of one place, as long as anybody holds it. */
export class Place extends Held<PlaceView> {
  readonly jobs: Jobs;
  private again: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly where: Where & { list: boolean },
    private readonly tell: (message: object) => void
  ) {
    super({ context: null, namespace: null, trouble: '', login: '' });
    this.jobs = new Jobs((message: ToKernel) => tell(message), { panel: where.list });
  }

  /** Starts on a connection that knows nothing of it. */
  start(): void {
    clearTimeout(this.again);
    this.tell({ kind: 'start', ...this.where });
    this.jobs.begin();
  }

  lost(away: Away): void {
    clearTimeout(this.again);
    this.change(away);
  }

  end(): void {
    clearTimeout(this.again);
    this.tell({ kind: 'end' });
  }

  receive(message: FromServer, buffers: readonly Bytes[]): void {
    if (message.kind === 'started') {
      const { context, namespace } = message;
      this.change({ context, namespace, trouble: '', login: '' });
    } else if (message.kind === 'refused') {
      this.change({ trouble: message.why, login: '' });
      clearTimeout(this.again);
      this.again = setTimeout(() => this.start(), REFUSED_PAUSE_MS);
    } else {
      this.jobs.receive(message, buffers);
    }
  }
}

type FromServer =
  FromKernel | { kind: 'started'; context: string; namespace: string } | { kind: 'refused'; why: string };

/** A place as it is held by whom it was opened for. */
export interface Opened {
  readonly place: Place;
  close(): void;
  reopen(): void;
}

export class Stream {
  private readonly places = new Map<number, Place>();
  private socket: Socket | null = null;
  private isOpen = false;
  private away: Away | null = null;
  private count = 0;
  private pause = FIRST_PAUSE_MS;
  private again: ReturnType<typeof setTimeout> | undefined;
  private pinging: ReturnType<typeof setInterval> | undefined;
  private silence: ReturnType<typeof setTimeout> | undefined;

  /**
   * `connect` begins a connection; none is made before something is to be seen. `explain` finds out why none comes
   * about, which a socket does not say; null: nobody knows.
   */
  constructor(
    private readonly connect: () => Socket,
    private readonly explain: () => Promise<Away | null> = async () => null
  ) {}

  /** Opens a place; `list`: with the list of its jobs. It has to be closed, and can be opened again then as it was. */
  open(where: Where & { list: boolean }): Opened {
    const number = ++this.count;
    const place = new Place(where, message => this.say({ ...message, channel: number }));
    const reopen = (): void => {
      if (!this.places.has(number)) {
        this.places.set(number, place);
        this.begun(place);
      }
    };
    const close = (): void => {
      if (this.places.delete(number)) {
        place.end();
        if (this.places.size === 0) {
          this.close();
        }
      }
    };
    reopen();
    return { place, close, reopen };
  }

  /** Tries at once what would be tried later, and makes sure that what looks alive is: after a sleep, when online again. */
  wake(): void {
    if (this.isOpen) {
      this.ping();
    } else if (this.places.size > 0 && this.socket === null) {
      this.begin();
    }
  }

  close(): void {
    const { socket } = this;
    this.drop();
    this.pause = FIRST_PAUSE_MS;
    socket?.close();
  }

  private begun(place: Place): void {
    if (this.isOpen) {
      place.start();
      return;
    }
    if (this.away !== null) {
      place.lost(this.away);
    }
    this.wake();
  }

  private begin(): void {
    clearTimeout(this.again);
    const socket = this.connect();
    this.socket = socket;
    socket.binaryType = 'arraybuffer';
    this.silence = setTimeout(() => this.lost(), CONNECT_MS);
    const isOurs = (): boolean => this.socket === socket;
    socket.addEventListener('open', () => {
      if (isOurs()) {
        this.isOpen = true;
        this.away = null;
        this.heard();
        this.pinging = setInterval(() => this.ping(), PING_MS);
        this.places.forEach(place => place.start());
      }
    });
    socket.addEventListener('message', ({ data }) => {
      if (isOurs()) {
        this.pause = FIRST_PAUSE_MS;
        this.heard();
        const [message, buffers] = parse(data);
        this.places.get(message.channel)?.receive(message, buffers);
      }
    });
    socket.addEventListener('close', () => {
      if (isOurs()) {
        this.lost();
      }
    });
  }

  private lost(): void {
    const { socket, isOpen } = this;
    this.drop();
    socket?.close();
    this.tell(this.away ?? away());
    this.again = setTimeout(() => this.begin(), this.pause);
    this.pause = Math.min(2 * this.pause, LAST_PAUSE_MS);
    if (!isOpen) {
      void this.explain().then(why => !this.isOpen && this.tell(why ?? away()));
    }
  }

  private tell(away: Away): void {
    this.away = away;
    this.places.forEach(place => place.lost(away));
  }

  private heard(): void {
    clearTimeout(this.silence);
    this.silence = undefined;
  }

  private drop(): void {
    clearTimeout(this.again);
    clearInterval(this.pinging);
    this.heard();
    this.socket = null;
    this.isOpen = false;
  }

  private ping(): void {
    this.say({ kind: 'ping' });
    this.silence ??= setTimeout(() => this.lost(), SILENCE_MS);
  }

  private say(message: object): void {
    if (this.isOpen) {
      this.socket?.send(JSON.stringify(message));
    }
  }
}

/** Reads a frame: see `jupyter_trainjob/server/stream.py`. */
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
