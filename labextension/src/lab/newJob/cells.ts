/** Finds the code in a notebook's cells that can run as a job. No DOM. */
import { trans } from '../../core/i18n';
import type { Target } from './NewJob';

/** A function that a cell defines at its top level. */
export interface FunctionDefinition {
  name: string;
  /** The suggested call, with an argument for each parameter without a default. */
  call: string;
}

const MAGIC = /^\s*%%trainjob\b.*$/m;
const DEFINITION = /^(?:async )?def (\w+)\(([^]*?)\)\s*(?:->[^:\n]*)?:/gm;

/** The functions of a notebook, the newest definition of each, in the order of their cells. */
export function functionsOf(cells: readonly string[]): FunctionDefinition[] {
  const functions = new Map<string, FunctionDefinition>();
  const names = assigned(cells);
  for (const text of cells) {
    for (const [all, name = '', parameters = ''] of text.matchAll(DEFINITION)) {
      functions.delete(name);
      const call = `${name}(${requiredArguments(parameters, names).join(', ')})`;
      functions.set(name, { name, call: all.startsWith('async') ? `await ${call}` : call });
    }
  }
  return [...functions.values()];
}

/** The cell that the notebook's cursor is in. */
export interface CurrentCell {
  text: string;
  isCode: boolean;
  /** Its place among all cells, from 1. */
  number: number;
  count: number;
}

/** The targets in these cells: the current cell, and each function. */
export const targetsOf = (cells: readonly string[], current: CurrentCell | null): Target[] => [
  {
    id: 'cell',
    label:
      current === null
        ? trans.__('The current cell')
        : trans.__('The current cell (%1 of %2)', current.number, current.count),
    refusal: current === null ? '' : cellRefusal(current),
    preview: current === null ? '' : shortened(current.text),
    call: '',
    replaces: current === null ? '' : magicLine(current.text)
  },
  ...functionsOf(cells).map(({ name, call }) => ({
    id: name,
    label: `${name}()`,
    refusal: '',
    preview: '',
    call,
    replaces: ''
  }))
];

const PREVIEW_LINES = 4;
/** The first lines of a text. */
function shortened(text: string): string {
  const lines = text.trim().split('\n');
  return lines.length <= PREVIEW_LINES
    ? lines.join('\n')
    : [...lines.slice(0, PREVIEW_LINES - 1), '…'].join('\n');
}

/** Stands for an unknown value in a call; it does not occur in Python code outside of strings. */
const PLACEHOLDER = '…';
const STRINGS = /'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/g;

/** Why a call cannot run; empty if its text shows no problem. */
export function callRefusal(call: string): string {
  if (call.trim() === '') {
    return trans.__('Write how the function is called.');
  }
  const [before = '', ...after] = call.replace(STRINGS, "''").split(PLACEHOLDER);
  if (after.length === 0) {
    return '';
  }
  const name = /(\w+)\s*=\s*$/.exec(before)?.[1];
  return name === undefined
    ? trans.__('Replace %1 with a value.', PLACEHOLDER)
    : trans.__('Replace %1 with a value for %2.', PLACEHOLDER, name);
}

const TARGETS = /^((?:\w+\s*,\s*)*\w+)\s*(?::[^=\n]+)?=(?!=)/gm;
const IMPORTS = /^(?:from\s+[\w.]+\s+)?import\s+\(?([^)#\n]+)/gm;
const BLOCKS = /^(?:async\s+)?(?:(?:def|class)\s+(\w+)|for\s+([\w, ]+)\s+in\b|with\b.*\bas\s+(\w+)\s*:)/gm;

/** The names that cells assign at their top level, found with regular expressions. */
function assigned(cells: readonly string[]): Set<string> {
  const lists = cells.flatMap(text =>
    [TARGETS, IMPORTS, BLOCKS].flatMap(item =>
      [...text.matchAll(item)].flatMap(([, ...groups]) => groups.map(group => group ?? ''))
    )
  );
  return new Set(
    lists.flatMap(list =>
      list.split(',').map(
        part =>
          part
            .trim()
            .split(/\s+as\s+/)
            .at(-1) ?? ''
      )
    )
  );
}

/** The `%%trainjob` line that a cell begins with; empty without one. */
const magicLine = (text: string): string => (/^\s*%%trainjob\b.*/.exec(text)?.[0] ?? '').trim();

/** Puts the line on top of a cell's text, instead of the `%%trainjob` line that it has. */
export function withLine(text: string, line: string): string {
  const body = /^\s*%%trainjob\b/.test(text) ? text.replace(MAGIC, '').replace(/^\s*\n/, '') : text;
  return `${line}\n${body.trimStart()}`;
}

/** Why a cell cannot become a job; empty if it can. */
export function cellRefusal({ text, isCode }: Pick<CurrentCell, 'text' | 'isCode'>): string {
  if (!isCode) {
    return trans.__('The current cell is not a code cell: choose another in the notebook.');
  }
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

/** Whether a cell has code to send, and not only magics such as `%load_ext`. */
const hasCode = (text: string): boolean =>
  cellRefusal({ text, isCode: true }) === '' && /^\s*[^\s#%]/m.test(text);

/**
 * The index of the cell that a new form selects: the current one, else the nearest with code above it, else the nearest
 * below. `cells` are the texts of all cells, empty for those that are not code cells.
 */
export function cellToRun(cells: readonly string[], current: number): number {
  const withCode = cells.flatMap((text, at) => (hasCode(text) ? [at] : []));
  return withCode.filter(at => at <= current).at(-1) ?? withCode[0] ?? current;
}

/** Whether a notebook loads the extension itself. */
export const loadsExtension = (cells: readonly string[]): boolean =>
  cells.some(text => /^\s*%(?:load|reload)_ext\s+jupyter_trainjob\b/m.test(text));

/** The required arguments of a call: a parameter's name if the notebook assigns it, else the placeholder. */
function requiredArguments(parameters: string, names: ReadonlySet<string>): string[] {
  const parts = splitParameters(parameters);
  const isPositional = (at: number): boolean => parts.indexOf('/') > at;
  const values: string[] = [];
  let isKeyword = false; // Whether the parameters are keyword-only from here on.
  parts.forEach((parameter, at) => {
    isKeyword ||= parameter.startsWith('*') && !parameter.startsWith('**');
    if (parameter === '' || parameter === '/' || parameter.includes('=') || parameter.startsWith('*')) {
      return;
    }
    const name = parameter.replace(/:[^]*$/, '').trim();
    const value = names.has(name) ? name : PLACEHOLDER;
    const isNamed = isKeyword || (value === PLACEHOLDER && !isPositional(at));
    // A positional argument cannot follow a keyword argument.
    values.push(isNamed || values.some(before => before.includes('=')) ? `${name}=${value}` : value);
  });
  return values;
}

/** Splits at the commas outside of brackets. */
function splitParameters(text: string): string[] {
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
