/** The form between keystrokes and the server: asks for the line when the typing pauses, and keeps the newest answer. */
import { Held } from '../../core/held';
import { type Choice, type Drafted, type Field, EMPTY, options } from './choice';

export interface DraftView {
  choice: Choice;
  /** What the server makes of it; null while it is asked. */
  drafted: Drafted | null;
  /** What it made of it last, which is shown until then. */
  before: Drafted | null;
  /** Why the server did not answer, in words. */
  trouble: string;
}

const PAUSE_MS = 250;

export class Draft extends Held<DraftView> {
  private turn = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly ask: (options: Record<string, unknown>) => Promise<Drafted>,
    choice: Partial<Choice> = {}
  ) {
    super({ choice: { ...EMPTY, ...choice }, drafted: null, before: null, trouble: '' });
  }

  set(field: Field, text: string): void {
    this.change({ choice: { ...this.current.choice, [field]: text } });
    this.renew();
  }

  /** Asks anew, soon. */
  renew(): void {
    clearTimeout(this.timer);
    this.turn += 1;
    const { turn } = this;
    this.change({ drafted: null });
    this.timer = setTimeout(() => {
      this.ask(options(this.current.choice)).then(
        drafted => turn === this.turn && this.change({ drafted, before: drafted, trouble: '' }),
        (error: Error) => turn === this.turn && this.change({ before: null, trouble: error.message })
      );
    }, PAUSE_MS);
  }

  close(): void {
    this.turn += 1;
    clearTimeout(this.timer);
  }
}
