/** Terminal colours in text: what is drawn of them, and the text without them. */

/** A stretch of text of one look; `css` are class names of ours. */
export interface Piece {
  text: string;
  css: string;
}

/* eslint-disable no-control-regex -- these are what it is about */
const ESCAPE =
  /\x1b\[([\d;:]*)m|\x1b(?:\[[0-?]*[ -/]*[@-~]?|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[^[\]]?)|[\0-\x08\n-\x1f\x7f-\x9f]/g;
/* eslint-enable no-control-regex */

/** On and off codes of what is a class by itself. */
const FACES: readonly [on: number, off: number, name: string][] = [
  [1, 22, 'bold'],
  [2, 22, 'dim'],
  [3, 23, 'italic'],
  [4, 24, 'under'],
  [7, 27, 'turned'],
  [9, 29, 'struck']
];

export function plain(text: string): string {
  return text.replace(ESCAPE, '');
}

/** Splits a line where its look changes. Sequences that are no looks are left out, as are control characters. */
export function pieces(line: string): Piece[] {
  const found: Piece[] = [];
  const look = new Map<string, string>();
  let from = 0;
  const take = (to: number): void => {
    if (to > from) {
      found.push({ text: line.slice(from, to), css: [...look.values()].join(' ') });
    }
  };
  for (const match of line.matchAll(ESCAPE)) {
    take(match.index);
    from = match.index + match[0].length;
    if (match[1] !== undefined) {
      wear(look, match[1]);
    }
  }
  take(line.length);
  return found;
}

/** Splits pieces again where `pattern` begins and ends to match: those between are `hit`. */
export function marked(parts: readonly Piece[], pattern: RegExp): (Piece & { hit: boolean })[] {
  const text = parts.map(part => part.text).join('');
  const edges = [...text.matchAll(pattern)].flatMap(({ index, 0: { length } }) =>
    length > 0 ? [index, index + length] : []
  );
  let at = 0;
  return parts.flatMap(({ text: words, css }) => {
    const [start, end] = [at, (at += words.length)];
    const points = [...new Set([start, ...edges.filter(edge => edge > start && edge < end), end])];
    return points.slice(1).map((to, i) => {
      const begin = points[i] as number;
      // Edges come in pairs: behind an odd number of them is inside.
      const hit = edges.filter(edge => edge <= begin).length % 2 === 1;
      return { text: text.slice(begin, to), css, hit };
    });
  });
}

function wear(look: Map<string, string>, params: string): void {
  const codes = params.split(';').flatMap(code => {
    const [kind, ...rest] = code.split(':').map(Number);
    // `38:2::r:g:b` names a colour space that `38;2;r;g;b` does not.
    return rest.length > 4 ? [kind, rest[0], ...rest.slice(2)] : kind === 4 ? [kind] : [kind, ...rest];
  }) as number[];
  const set = (name: string, css: string): void =>
    void (css === '' ? look.delete(name) : look.set(name, css));
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i] as number;
    const ground = (code >= 40 && code < 50) || code >= 100 ? 'b' : 'f';
    const colour = (n: number): void => set(ground, n > 0 && n < 7 ? `tj-${ground}${n}` : '');
    if (code === 0) {
      look.clear();
    } else if (code === 38 || code === 48) {
      const [kind, r = 0, g = 0, b = 0] = codes.slice(i + 1, i + 5);
      i += kind === 2 ? 4 : 2;
      colour(kind === 2 ? hue(r, g, b) : hueOf256(r));
    } else if (code >= 30 && code < 50) {
      colour(code % 10);
    } else if (code >= 90 && code < 108) {
      colour(code % 10);
      if (code === 90) {
        set('f', 'tj-dim');
      }
    } else {
      for (const [on, off, name] of FACES) {
        if (code === on || code === off) {
          set(name, code === on ? `tj-${name}` : '');
        }
      }
    }
  }
}

/** The nearest of six hues, by the numbers of the terminal (1 red, 2 green, 3 yellow … 6 cyan); 0 for greys. */
function hue(r: number, g: number, b: number): number {
  const [low, high] = [Math.min(r, g, b), Math.max(r, g, b)];
  const middle = (low + high) / 2;
  return high - low < 48 ? 0 : Number(r > middle) + 2 * Number(g > middle) + 4 * Number(b > middle);
}

function hueOf256(n: number): number {
  if (n < 16) {
    return n % 8;
  }
  const cube = n - 16;
  return n > 231
    ? 0
    : hue(...([36, 6, 1].map(of => (Math.floor(cube / of) % 6) * 51) as [number, number, number]));
}
