import { describe, expect, test } from 'vitest';

import * as format from '../src/core/format';
import cases from './formats.json';

describe('numbers are written as jupyter_trainjob/widget/text.py writes them', () => {
  for (const name of ['value', 'percent', 'duration', 'clock'] as const) {
    test.each(cases[name] as [number, string][])(`${name} of %d is %s`, (number, words) => {
      expect(format[name](number)).toBe(words);
    });
  }
});

test('what is no number keeps its name', () => {
  expect([NaN, Infinity, -Infinity, 'nan'].map(format.value)).toEqual(['nan', 'inf', '-inf', 'nan']);
});

test('nouns follow their number', () => {
  expect([format.nodesText(1), format.nodesText(1024)]).toEqual(['1 node', '1,024 nodes']);
});
