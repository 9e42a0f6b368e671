/** What a new job is to be: what the form holds, and what it asks the server. No DOM. */

/** Texts as they are typed; empty: as the runtime has it. The names are those of the magic's options. */
export interface Choice {
  name: string;
  runtime: string;
  nodes: string;
  gpus: string;
  cpus: string;
  memory: string;
  procs_per_node: string;
  image: string;
  /** `NAME=VALUE`, a line each. */
  env: string;
  /** Names, with commas between. */
  secrets: string;
  out: string;
  storage: string;
  deadline: string;
  retries: string;
}

export type Field = keyof Choice;

export const EMPTY: Choice = {
  name: 'job',
  runtime: '',
  nodes: '1',
  gpus: '',
  cpus: '',
  memory: '',
  procs_per_node: '',
  image: '',
  env: '',
  secrets: '',
  out: '',
  storage: '',
  deadline: '',
  retries: ''
};

/** What is wrong with a field, in words. */
export interface Problem {
  field: string;
  text: string;
}

/** What the server makes of a choice. */
export interface Drafted {
  /** Empty where there are problems. */
  line: string;
  problems: Problem[];
  /** Whether it fits, and what is free. */
  fit: string;
}

const NUMBERS: readonly Field[] = ['nodes', 'gpus', 'procs_per_node', 'retries'];

/** The options that say anything, in the types that the server takes; numbers that are none stay texts, for it to refuse. */
export function options(choice: Choice): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const [field, typed] of Object.entries(choice) as [Field, string][]) {
    const text = typed.trim();
    if (text === '') {
      continue;
    }
    if (field === 'env') {
      found[field] = variables(text);
    } else if (field === 'secrets' || field === 'out') {
      found[field] = text
        .split(',')
        .map(name => name.trim())
        .filter(name => name !== '');
    } else {
      found[field] = NUMBERS.includes(field) && /^\d+$/.test(text) ? Number(text) : text;
    }
  }
  return found;
}

function variables(text: string): Record<string, string> {
  const lines = text.split('\n').filter(line => line.trim() !== '');
  return Object.fromEntries(
    lines.map(line => {
      const at = line.indexOf('=');
      return at < 0 ? [line.trim(), ''] : [line.slice(0, at).trim(), line.slice(at + 1)];
    })
  );
}
