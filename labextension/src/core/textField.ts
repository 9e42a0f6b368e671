/** Reads a text field of an unknown value; empty if it has none. */
export function textField(value: unknown, name: string): string {
  const field =
    typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : undefined;
  return typeof field === 'string' ? field : '';
}
