import { useSyncExternalStore } from 'react';

/** Returns the view of a source; redraws on each change. */
export function useView<V>(source: { view(): V; subscribe(changed: () => void): () => void }): V {
  return useSyncExternalStore(source.subscribe, source.view);
}
