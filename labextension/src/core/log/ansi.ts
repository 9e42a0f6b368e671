/** ANSI escape sequences: parsed into styled pieces, or stripped. */

/** A span of text in one style; `css` holds its class names. */
export interface Piece {
  text: string;
  css: string;
}

/* eslint-disable no-control-regex -- escape sequences are control characters */
const ESCAPE =
  /\x1b\[([\d;:]*)m|\x1b(?:\[[0-?]*[ -/]*[@-~]?|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[^[\]]?)|[\0-\x08\n-\x1f\x7f-\x9f]/g;
/* eslint-enable no-control-regex */

/** On and off codes of the styles that have a class each. */
const STYLES: readonly [on: number, off: number, name: string][] = [
  [1, 22, 'bold'],
  [2, 22, 'dim'],
  [3, 23, 'italic'],
  [4, 24, 'under'],
  [7, 27, 'turned'],
  [9, 29, 'struck']
];

export function stripEscapes(text: string): string {
  return text.replace(ESCAPE, '');
}

/** Splits a line where its style changes. Other sequences are left out, as are control characters. */
export function styledPieces(line: string): Piece[] {
  const pieces: Piece[] = [];
  const style = new Map<string, string>();
  let from = 0;
  const take = (to: number): void => {
    if (to > from) {
      pieces.push({ text: line.slice(from, to), css: [...style.values()].join(' ') });
    }
  };
  for (const match of line.matchAll(ESCAPE)) {
    take(match.index);
    from = match.index + match[0].length;
    if (match[1] !== undefined) {
      applyCodes(style, match[1]);
    }
  }
  take(line.length);
  return pieces;
}

/** Splits pieces at the ends of each match of `pattern`; those inside a match are a `hit`. */
export function markMatches(parts: readonly Piece[], pattern: RegExp): (Piece & { hit: boolean })[] {
  const text = parts.map(part => part.text).join('');
  const edges = [...text.matchAll(pattern)].flatMap(({ index, 0: { length } }) =>
    length > 0 ? [index, index + length] : []
  );
  let at = 0;
  return parts.flatMap(({ text: piece, css }) => {
    const [start, end] = [at, (at += piece.length)];
    const points = [...new Set([start, ...edges.filter(edge => edge > start && edge < end), end])];
    return points.slice(1).map((to, i) => {
      const begin = points[i] as number;
      // Edges come in pairs: after an odd number of them, the text is inside a match.
      const hit = edges.filter(edge => edge <= begin).length % 2 === 1;
      return { text: text.slice(begin, to), css, hit };
    });
  });
}

function applyCodes(style: Map<string, string>, params: string): void {
  const codes = params.split(';').flatMap(code => {
    const [kind, ...rest] = code.split(':').map(Number);
    // `38:2::r:g:b` names a colour space that `38;2;r;g;b` does not.
    return rest.length > 4 ? [kind, rest[0], ...rest.slice(2)] : kind === 4 ? [kind] : [kind, ...rest];
  }) as number[];
  const set = (name: string, css: string): void =>
    void (css === '' ? style.delete(name) : style.set(name, css));
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i] as number;
    const ground = (code >= 40 && code < 50) || code >= 100 ? 'b' : 'f';
    const colour = (n: number): void => set(ground, n > 0 && n < 7 ? `tj-${ground}${n}` : '');
    if (code === 0) {
      style.clear();
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
      for (const [on, off, name] of STYLES) {
        if (code === on || code === off) {
          set(name, code === on ? `tj-${name}` : '');
        }
      }
    }
  }
}

/** The terminal's number of the nearest of six hues (1 red, 2 green, 3 yellow … 6 cyan); 0 for greys. */
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
    : hue(...([36, 6, 1].map(unit => (Math.floor(cube / unit) % 6) * 51) as [number, number, number]));
}
