/** Debounced draft of the form's job: requests its command line when typing pauses, and keeps the newest response. */
import { Store } from '../../core/store';
import { type FieldValues, type DraftedJob, nonEmpty } from '../server/jobForm';

export interface DraftView {
  choice: FieldValues;
  /** The server's answer for these values; null while it is requested. */
  drafted: DraftedJob | null;
  /** The newest answer, which is shown until the next one arrives. */
  before: DraftedJob | null;
  /** Why the request failed, as text. */
  trouble: string;
}

const PAUSE_MS = 250;

export class Draft extends Store<DraftView> {
  private turn = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly ask: (options: FieldValues) => Promise<DraftedJob>,
    choice: FieldValues = {}
  ) {
    super({ choice, drafted: null, before: null, trouble: '' });
  }

  /** Fills in the fields that have no value yet. */
  begin(initial: FieldValues): void {
    this.change({ choice: { ...initial, ...this.current.choice } });
    this.reload();
  }

  set(field: string, text: string): void {
    this.change({ choice: { ...this.current.choice, [field]: text } });
    this.reload();
  }

  /** Requests the draft again after a pause. */
  reload(): void {
    clearTimeout(this.timer);
    this.turn += 1;
    const { turn } = this;
    this.change({ drafted: null });
    this.timer = setTimeout(() => {
      this.ask(nonEmpty(this.current.choice)).then(
        drafted => turn === this.turn && this.change({ drafted, before: drafted, trouble: '' }),
        (error: Error) => turn === this.turn && this.change({ before: null, trouble: error.message })
      );
    }, PAUSE_MS);
  }

  /** Drops the last answer, and requests the draft again after a pause. */
  restart(): void {
    this.change({ before: null, trouble: '' });
    this.reload();
  }

  close(): void {
    this.turn += 1;
    clearTimeout(this.timer);
  }
}
