/** What of a notebook can become a job, read from the texts of its cells. No DOM. */
import { trans } from '../../core/words';
import type { Target } from './NewJob';

/** A function that a cell defines at its top level. */
export interface Defined {
  name: string;
  /** A call to begin with: parameters without defaults stand by their names. */
  call: string;
}

const MAGIC = /^\s*%%trainjob\b.*$/m;
const DEFINITION = /^(?:async )?def (\w+)\(([^]*?)\)\s*(?:->[^:\n]*)?:/gm;

/** The functions of a notebook, the newest definition of each, in the order of their cells. */
export function functions(cells: readonly string[]): Defined[] {
  const found = new Map<string, Defined>();
  for (const text of cells) {
    for (const [all, name = '', parameters = ''] of text.matchAll(DEFINITION)) {
      found.delete(name);
      const call = `${name}(${required(parameters).join(', ')})`;
      found.set(name, { name, call: all.startsWith('async') ? `await ${call}` : call });
    }
  }
  return [...found.values()];
}

/** What of these cells can run: the current one, whose text is given where a notebook is open, and each function. */
export const targetsOf = (cells: readonly string[], current: string | null): Target[] => [
  {
    id: 'cell',
    label: trans.__('The current cell'),
    refusal: current === null ? '' : refusal(current),
    call: ''
  },
  ...functions(cells).map(({ name, call }) => ({ id: name, label: `${name}()`, refusal: '', call }))
];

/** A cell with this line on top, in the place of the one that it has. */
export function withLine(text: string, line: string): string {
  const at = /^\s*%%trainjob\b/.test(text) ? text.replace(MAGIC, '').replace(/^\s*\n/, '') : text;
  return `${line}\n${at.trimStart()}`;
}

/** Why a cell cannot become a job; empty if it can. */
export function refusal(text: string): string {
  if (text.trim() === '') {
    return trans.__('The current cell is empty.');
  }
  const other = /^\s*(%%\w+)/.exec(text)?.[1];
  return other === undefined || other === '%%trainjob'
    ? ''
    : trans.__(
        'The current cell begins with %1: put that below the line of %2 by hand.',
        other,
        '%%trainjob'
      );
}

/** Whether a notebook loads the extension itself. */
export const loads = (cells: readonly string[]): boolean =>
  cells.some(text => /^\s*%(?:load|reload)_ext\s+jupyter_trainjob\b/m.test(text));

/** The parameters that have to be given. */
function required(parameters: string): string[] {
  const names: string[] = [];
  for (const each of split(parameters)) {
    if (each === '' || each === '/' || each.includes('=') || each.startsWith('*')) {
      if (each.startsWith('*')) {
        break;
      }
      continue;
    }
    names.push(each.replace(/:[^]*$/, '').trim());
  }
  return names;
}

/** Splits at the commas outside of brackets. */
function split(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let part = '';
  for (const sign of text.replace(/#.*$/gm, '')) {
    depth += '([{'.includes(sign) ? 1 : ')]}'.includes(sign) ? -1 : 0;
    if (sign === ',' && depth === 0) {
      parts.push(part.trim());
      part = '';
    } else {
      part += sign;
    }
  }
  return [...parts, part.trim()];
}
