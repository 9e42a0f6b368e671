/** An immutable value with subscribers: each change replaces the value and notifies them. */
export class Store<V extends object> {
  private readonly listeners = new Set<() => void>();

  constructor(protected current: V) {}

  view = (): V => this.current;

  subscribe = (changed: () => void): (() => void) => {
    this.listeners.add(changed);
    return () => this.listeners.delete(changed);
  };

  protected change(part: Partial<V>): void {
    this.current = { ...this.current, ...part };
    for (const changed of [...this.listeners]) {
      changed();
    }
  }
}
