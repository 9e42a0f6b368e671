import { describe, expect, test } from 'vitest';

import { markMatches, styledPieces, stripEscapes } from '../src/core/log/ansi';
import { ERRORS, MAX_LINES, appendLines, filterLines, queryPattern, toLines } from '../src/core/log/logLines';
import type { WireLine } from '../src/core/protocol/messages';
import type { LogLine } from '../src/core/jobTypes';

const E = '\x1b';
const looks = (text: string): [string, string][] => styledPieces(text).map(piece => [piece.text, piece.css]);

describe('colours', () => {
  test.each<[title: string, text: string, expected: [string, string][]]>([
    ['plain text is one piece', 'abc', [['abc', '']]],
    ['nothing is nothing', '', []],
    [
      `a colour ends`,
      `${E}[31mred${E}[0m not`,
      [
        ['red', 'tj-f1'],
        [' not', '']
      ]
    ],
    [
      'an empty code is a reset',
      `${E}[31mred${E}[m not`,
      [
        ['red', 'tj-f1'],
        [' not', '']
      ]
    ],
    [
      'looks add up',
      `${E}[1m${E}[34mb${E}[22mc`,
      [
        ['b', 'tj-bold tj-f4'],
        ['c', 'tj-f4']
      ]
    ],
    ['bright colours are colours', `${E}[95mx`, [['x', 'tj-f5']]],
    ['grey is dim', `${E}[90mx`, [['x', 'tj-dim']]],
    [
      'black and white are the text colour',
      `${E}[30mx${E}[37my`,
      [
        ['x', ''],
        ['y', '']
      ]
    ],
    [
      'a ground',
      `${E}[41mx${E}[49my`,
      [
        ['x', 'tj-b1'],
        ['y', '']
      ]
    ],
    ['a bright ground', `${E}[102mx`, [['x', 'tj-b2']]],
    ['one of 256: orange is red', `${E}[38;5;208mx`, [['x', 'tj-f1']]],
    ['one of 256: the first ones are the 16', `${E}[38;5;12mx`, [['x', 'tj-f4']]],
    ['one of 256: greys', `${E}[38;5;245mx`, [['x', '']]],
    ['a true colour', `${E}[38;2;120;80;255mx`, [['x', 'tj-f4']]],
    ['a true colour with colons and a colour space', `${E}[38:2::0:200:80mx`, [['x', 'tj-f2']]],
    ['what follows a true colour counts', `${E}[38;2;0;200;80;1mx`, [['x', 'tj-f2 tj-bold']]],
    ['a ground of 256', `${E}[48;5;21mx`, [['x', 'tj-b4']]],
    [
      'a curly line is a line',
      `${E}[4:3mx${E}[24my`,
      [
        ['x', 'tj-under'],
        ['y', '']
      ]
    ],
    ['unknown codes change nothing', `${E}[31;77;999mx`, [['x', 'tj-f1']]],
    [
      'no number is too large',
      `${E}[38;2;999;0;0mx${E}[38;5;9999my`,
      [
        ['x', 'tj-f1'],
        ['y', '']
      ]
    ],
    ['an incomplete sequence is removed', `x${E}[31`, [['x', '']]],
    [
      'other sequences are removed',
      `a${E}[2Kb${E}]0;title\x07c${E}]8;;u${E}\\d`,
      [
        ['a', ''],
        ['b', ''],
        ['c', ''],
        ['d', '']
      ]
    ],
    [
      'tabs are kept, other control characters removed',
      'a\tb\x07\x9bc',
      [
        ['a\tb', ''],
        ['c', '']
      ]
    ]
  ])('%s', (_, text, expected) => {
    expect(looks(text)).toEqual(expected);
    expect(stripEscapes(text)).toBe(expected.map(([part]) => part).join(''));
  });

  test('matches are highlighted across styled pieces, which keep their style', () => {
    const parts = markMatches(styledPieces(`ab${E}[31mcd${E}[0mef`), /bcd|f/gi);
    expect(parts).toEqual([
      { text: 'a', css: '', hit: false },
      { text: 'b', css: '', hit: true },
      { text: 'cd', css: 'tj-f1', hit: true },
      { text: 'e', css: '', hit: false },
      { text: 'f', css: '', hit: true }
    ]);
  });

  test('adjacent and empty matches are handled', () => {
    expect(markMatches(styledPieces('aab'), /a/g).map(piece => piece.hit)).toEqual([true, true, false]);
    expect(markMatches(styledPieces('ab'), /x*/g).map(piece => piece.hit)).toEqual([false]);
  });
});

describe('the lines', () => {
  const texts = (lines: readonly LogLine[]): string[] => lines.map(line => line.text);
  const add = (lines: readonly LogLine[], ...wire: WireLine[]): readonly LogLine[] =>
    appendLines(lines, wire, 0);

  test('are sorted by time, and equal times by arrival', () => {
    const lines = add(add([], [1, 10, 0, 'a'], [2, 30, 0, 'c']), [3, 20, 1, 'late'], [4, 30, 1, 'd']);
    expect(texts(lines)).toEqual(['a', 'late', 'c', 'd']);
  });

  test('are limited to the newest', () => {
    const many = Array.from({ length: MAX_LINES + 10 }, (_, i): WireLine => [i, i, 0, `${i}`]);
    const lines = add([], ...many);
    expect(lines).toHaveLength(MAX_LINES);
    expect(lines[0]?.text).toBe('10');
  });

  test('show the number of skipped lines before the earliest one of a message', () => {
    const lines = appendLines(
      [],
      [
        [5, 2, 0, 'b'],
        [6, 2, 0, 'c'],
        [7, 1, 1, 'a']
      ],
      7,
      'place'
    );
    expect(lines.map(line => [line.text, line.skipped, line.before])).toEqual([
      ['a', 7, 'place'],
      ['b', 0, null],
      ['c', 0, null]
    ]);
  });

  test.each<[title: string, wire: WireLine[], expected: string[]]>([
    ['a row is overwritten in its place', [[3, 3, 0, '9%', 1]], ['9%', 'x 0%']],
    ['beside other rows', [[3, 3, 0, 'x 9%', 2]], ['0%', 'x 9%']],
    [
      'after what was printed it comes last',
      [
        [3, 3, 0, 'printed'],
        [4, 4, 0, '9%', 1]
      ],
      ['x 0%', 'printed', '9%']
    ],
    ['a row that is cleared goes', [[3, 3, 0, '', 1]], ['x 0%']],
    ['an empty line is a line', [[3, 3, 0, '']], ['0%', 'x 0%', '']]
  ])('%s', (_, wire, expected) => {
    const before = add([], [1, 1, 0, '0%', 1], [2, 2, 0, 'x 0%', 2]);
    const lines = add(before, ...wire);
    expect(texts(lines)).toEqual(expected);
    expect(new Set(lines.map(line => line.number)).size).toBe(lines.length);
  });

  test('are filtered by node, by text without colours, and by error patterns', () => {
    const lines = toLines([
      [0, 1, 0, `${E}[31mlo${E}[0mss`],
      [0, 2, 1, 'ValueError: no'],
      [0, 3, 2, 'LOSS error']
    ]);
    const query = { text: 'loss', regex: false, only: true, errors: false, nodes: '' };
    const numbers = (part: Partial<typeof query>): number[] =>
      filterLines(lines, { ...query, ...part }).map(line => line.node);
    expect(numbers({})).toEqual([0, 2]);
    expect(numbers({ only: false })).toEqual([0, 1, 2]);
    expect(numbers({ errors: true })).toEqual([2]);
    expect(numbers({ text: '', errors: true })).toEqual([1, 2]);
    expect(numbers({ only: false, nodes: '0, 2-5' })).toEqual([0, 2]);
    expect(numbers({ text: '^l', regex: true })).toEqual([0, 2]);
    expect(numbers({ text: '(', regex: true })).toEqual([0, 1, 2]);
  });

  test('a search text is literal unless regular expressions are enabled', () => {
    const query = { text: 'a.b(', regex: false, only: false, errors: false, nodes: '' };
    expect('xa.b(x'.search(queryPattern(query) as RegExp)).toBe(1);
    expect('a-b('.search(queryPattern(query) as RegExp)).toBe(-1);
    expect(queryPattern({ ...query, regex: true })).toBeNull();
  });

  test.each([
    ['ValueError: bad', true],
    ['torch.cuda.OutOfMemoryError', true],
    ['Traceback (most recent call last):', true],
    ['  File "train.py", line 3, in <module>', true],
    ['Killed', true],
    ['FATAL: no', true],
    ['loss 0.1', false],
    ['skilled', false]
  ])('%s: an error is %s', (text, is) => {
    expect(ERRORS.test(text)).toBe(is);
  });
});
