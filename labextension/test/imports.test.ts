/// <reference types="vite/client" />
/** Imports between files, and between folders, have no cycles. */
import { expect, test } from 'vitest';

const SOURCES = import.meta.glob<string>('../src/**/*.{ts,tsx}', {
  eager: true,
  query: '?raw',
  import: 'default'
});
const IMPORT = /from '(\.[^']*)'/g;

type Graph = Map<string, Set<string>>;

const folderOf = (path: string): string => path.slice(0, path.lastIndexOf('/'));

/** The modules that each module imports, as paths without suffix, or the same for their folders. */
function graphOf(nameOf: (module: string) => string): Graph {
  const graph: Graph = new Map();
  for (const [path, text] of Object.entries(SOURCES)) {
    const name = nameOf(path.replace(/\.tsx?$/, ''));
    const imported = graph.get(name) ?? new Set();
    for (const [, specifier = ''] of text.matchAll(IMPORT)) {
      const { pathname } = new URL(specifier, `file:///test/${path}`);
      imported.add(nameOf(`..${pathname}`));
    }
    imported.delete(name);
    graph.set(name, imported);
  }
  return graph;
}

/** Repeatedly removes nodes without dependencies; returns the rest: the cycles, and the nodes that depend on them. */
function cyclic(graph: Graph): string[] {
  const rest = new Map(graph);
  const isFree = (imported: Set<string>): boolean => ![...imported].some(name => rest.has(name));
  for (let size = -1; size !== rest.size;) {
    size = rest.size;
    [...rest].filter(([, imported]) => isFree(imported)).forEach(([name]) => rest.delete(name));
  }
  return [...rest.keys()];
}

test('files import each other without cycles', () => {
  const graph = graphOf(module => module);
  expect(graph.get('../src/lab/index')).toContain('../src/lab/sidebar/plugin');
  expect(cyclic(graph)).toEqual([]);
});

test('folders import each other without cycles', () => {
  const graph = graphOf(folderOf);
  expect(graph.get('../src/lab/sidebar')).toContain('../src/lab/service');
  expect(cyclic(graph)).toEqual([]);
});

test('an import cycle is detected', () => {
  const graph: Graph = new Map([
    ['a', new Set(['b'])],
    ['b', new Set(['c'])],
    ['c', new Set(['b'])],
    ['d', new Set()]
  ]);
  expect(cyclic(graph)).toEqual(['a', 'b', 'c']);
});
