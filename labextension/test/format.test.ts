import { describe, expect, test } from 'vitest';

import * as format from '../src/core/format';
import cases from './formats.json';

describe('numbers are written as jupyter_trainjob/rendering/text.py writes them', () => {
  for (const name of ['value', 'percent', 'duration', 'clock'] as const) {
    test.each(cases[name] as [number, string][])(`${name} of %d is %s`, (number, text) => {
      expect(format[name](number)).toBe(text);
    });
  }
});

test('values that are not numbers keep their text', () => {
  expect([NaN, Infinity, -Infinity, 'nan'].map(format.value)).toEqual(['nan', 'inf', '-inf', 'nan']);
});

test('nouns are singular or plural', () => {
  expect([format.nodesText(1), format.nodesText(1024)]).toEqual(['1 node', '1,024 nodes']);
});
