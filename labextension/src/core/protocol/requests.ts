/** Requests to the kernel, matched to their answers by id, for all jobs of one comm. */
import type { Bytes, FromKernel, ToKernel, RequestName } from './messages';

/** A request without an answer after this time is shown as late. */
export const LATE_AFTER_MS = 4000;

interface PendingRequest {
  resolve(answer: unknown): void;
  reject(error: Error): void;
}

export class Requests {
  private readonly pending = new Map<string, PendingRequest>();
  private count = 0;
  /** The kernel's answers reach every open page: ids are unique to this one. */
  private readonly idPrefix = Math.random().toString(36).slice(2);

  constructor(private readonly send: (message: ToKernel) => void) {}

  ask(job: string, name: RequestName, args: object): Promise<unknown> {
    const id = `${this.idPrefix}-${++this.count}`;
    return new Promise((resolve, reject) => {
      this.pending.set(id, { resolve, reject });
      this.send({ ...args, kind: 'ask', id, job, what: name });
    });
  }

  /** Rejects all pending requests. */
  rejectAll(why: string): void {
    const lost = [...this.pending.values()];
    this.pending.clear();
    lost.forEach(({ reject }) => reject(new Error(why)));
  }

  settle(message: FromKernel & { kind: 'answer' }, buffers: readonly Bytes[]): void {
    const request = this.pending.get(message.id);
    this.pending.delete(message.id);
    if (message.ok) {
      request?.resolve({ ...message, buffers });
    } else {
      request?.reject(new Error(message.error));
    }
  }
}
