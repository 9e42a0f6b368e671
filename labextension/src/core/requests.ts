/** Questions to the kernel and their answers, by id: for all jobs of one comm. */
import type { Bytes, FromKernel, ToKernel, What } from './protocol';

/** After this, one says that the kernel has not answered yet. */
export const PATIENCE_MS = 4000;

interface Waiting {
  resolve(answer: unknown): void;
  reject(error: Error): void;
}

export class Requests {
  private readonly waiting = new Map<string, Waiting>();
  private count = 0;
  /** What the kernel says reaches every page that is open on it: ids are ours alone. */
  private readonly ours = Math.random().toString(36).slice(2);

  constructor(private readonly send: (message: ToKernel) => void) {}

  ask(job: string, what: What, args: object): Promise<unknown> {
    const id = `${this.ours}-${++this.count}`;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.send({ ...args, kind: 'ask', id, job, what });
    });
  }

  /** Has everything that waits fail. */
  lose(why: string): void {
    const lost = [...this.waiting.values()];
    this.waiting.clear();
    lost.forEach(({ reject }) => reject(new Error(why)));
  }

  answer(message: FromKernel & { kind: 'answer' }, buffers: readonly Bytes[]): void {
    const asked = this.waiting.get(message.id);
    this.waiting.delete(message.id);
    if (message.ok) {
      asked?.resolve({ ...message, buffers });
    } else {
      asked?.reject(new Error(message.error));
    }
  }
}
