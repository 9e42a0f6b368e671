import { useSyncExternalStore } from 'react';

/** What a source shows now; draws anew on each change. */
export function useView<V>(source: { view(): V; subscribe(changed: () => void): () => void }): V {
  return useSyncExternalStore(source.subscribe, source.view);
}
