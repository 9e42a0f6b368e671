/** The cluster and namespace that this page shows: kept across reloads, and the default of new pages. */
import { Store } from '../../core/store';
import type { NamespaceRef } from '../../core/jobs/jobStream';
import { textField } from '../../core/textField';

type KeyValueStorage = Pick<Storage, 'getItem' | 'setItem'>;

const KEY = 'jupyter-trainjob:where';

export class ChosenNamespace extends Store<NamespaceRef> {
  /** `own` is this window's storage; `shared`, which other windows change, only supplies the default of new windows. */
  constructor(
    private readonly own: KeyValueStorage = window.sessionStorage,
    private readonly shared: KeyValueStorage = window.localStorage
  ) {
    super(parse(own.getItem(KEY) ?? shared.getItem(KEY)));
  }

  choose({ context, namespace }: NamespaceRef): void {
    const { current } = this;
    if (context !== current.context || namespace !== current.namespace) {
      for (const storage of [this.own, this.shared]) {
        storage.setItem(KEY, JSON.stringify({ context, namespace }));
      }
      this.change({ context, namespace });
    }
  }
}

function parse(text: string | null): NamespaceRef {
  try {
    const saved: unknown = JSON.parse(text ?? 'null');
    return { context: textField(saved, 'context') || null, namespace: textField(saved, 'namespace') || null };
  } catch {
    return { context: null, namespace: null };
  }
}
