/** A connection to a server that the test plays. */
import type { Socket } from '../src/core/jobs/jobStream';

/** A websocket: records what was sent, and delivers the messages of a test. */
export class TestSocket implements Socket {
  binaryType: 'arraybuffer' | 'blob' = 'blob';
  readonly sent: Record<string, unknown>[] = [];
  closed = false;
  private readonly listeners: Record<string, (event: { data: unknown }) => void> = {};

  addEventListener(type: string, listener: (event: { data: unknown }) => void): void {
    this.listeners[type] = listener;
  }
  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }
  close(): void {
    this.closed = true;
  }
  open(): void {
    this.listeners.open?.({ data: null });
  }
  end(): void {
    this.listeners.close?.({ data: null });
  }
  deliver(message: object, channel = 1): void {
    this.listeners.message?.({ data: JSON.stringify({ ...message, channel }) });
  }
  bytes(data: ArrayBuffer): void {
    this.listeners.message?.({ data });
  }
  kinds(): unknown[] {
    return this.sent
      .splice(0)
      .map(({ kind, channel }) => (channel === undefined ? kind : `${kind} ${channel}`));
  }
}
