/** Which cluster and namespace this page looks at, kept between visits of this browser. */
import { Held } from '../core/held';
import type { Where } from '../core/stream';
import { word } from './bundle';

const KEY = 'jupyter-trainjob:where';

export class Chosen extends Held<Where> {
  constructor(private readonly kept: Pick<Storage, 'getItem' | 'setItem'> = window.localStorage) {
    super(read(kept.getItem(KEY)));
  }

  choose({ context, namespace }: Where): void {
    const { current } = this;
    if (context !== current.context || namespace !== current.namespace) {
      this.kept.setItem(KEY, JSON.stringify({ context, namespace }));
      this.change({ context, namespace });
    }
  }
}

function read(text: string | null): Where {
  try {
    const found: unknown = JSON.parse(text ?? 'null');
    return { context: word(found, 'context') || null, namespace: word(found, 'namespace') || null };
  } catch {
    return { context: null, namespace: null };
  }
}
