/** A connection to a server that is a test. */
import type { Socket } from '../src/core/stream';

/** A websocket whose other end is the test. */
export class Wire implements Socket {
  binaryType: 'arraybuffer' | 'blob' = 'blob';
  readonly said: Record<string, unknown>[] = [];
  closed = false;
  private readonly heard: Record<string, (event: { data: unknown }) => void> = {};

  addEventListener(type: string, heard: (event: { data: unknown }) => void): void {
    this.heard[type] = heard;
  }
  send(text: string): void {
    this.said.push(JSON.parse(text));
  }
  close(): void {
    this.closed = true;
  }
  open(): void {
    this.heard.open?.({ data: null });
  }
  end(): void {
    this.heard.close?.({ data: null });
  }
  tell(message: object, channel = 1): void {
    this.heard.message?.({ data: JSON.stringify({ ...message, channel }) });
  }
  bytes(data: ArrayBuffer): void {
    this.heard.message?.({ data });
  }
  kinds(): unknown[] {
    return this.said
      .splice(0)
      .map(({ kind, channel }) => (channel === undefined ? kind : `${kind} ${channel}`));
  }
}
