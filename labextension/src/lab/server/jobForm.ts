/** The data of the form: its fields, their values, and the server's draft of the job. No DOM. */

/**
 * A field of the form: an entry of the server's table of options, `jupyter_trainjob/client/spec/options.py`. Its texts
 * are the server's, which does not translate.
 */
export interface FormField {
  name: string;
  label: string;
  /** Shown while the field is empty. */
  hint: string;
  group: '' | 'size' | 'more';
  kind: 'text' | 'lines' | 'runtime';
  /** The value of an empty field; empty: the runtime's. */
  default: string;
}

/** The typed texts by the names of their fields; empty: the default. */
export type FieldValues = Readonly<Record<string, string>>;

/** The problem of a field, as text. */
export interface Problem {
  field: string;
  text: string;
}

/** The server's draft of a job. */
export interface DraftedJob {
  /** The `%%trainjob` line; empty if there are problems. */
  line: string;
  /** The line with its destination, for kernels whose default destination is another one. */
  full: string;
  problems: Problem[];
  /** Whether the job fits into the free capacity, as text. */
  fit: string;
}

/** The initial values of the fields: their defaults; empty for the runtime, whose first choice is its default. */
export const initialValues = (fields: readonly FormField[]): FieldValues =>
  Object.fromEntries(fields.map(field => [field.name, field.kind === 'runtime' ? '' : field.default]));

/** The fields that are not empty. */
export const nonEmpty = (choice: FieldValues): FieldValues =>
  Object.fromEntries(Object.entries(choice).filter(([, text]) => text.trim() !== ''));
