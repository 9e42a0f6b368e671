/**
 * The texts of the page in the user's language: English, unless a host brings a catalogue.
 *
 * The name and the calls are those that JupyterLab's tools look for when they collect what is to be translated, so
 * texts are literals, whole sentences, with `%1`, `%2` … in the places of values. In `_n`, `%1` is the number itself.
 * Nothing may be translated when a module is loaded: no language is known by then.
 */

/** What is used of JupyterLab's `TranslationBundle`. */
export interface Words {
  __(text: string, ...values: readonly unknown[]): string;
  _n(one: string, many: string, n: number, ...values: readonly unknown[]): string;
}

const english: Words = {
  __: (text, ...values) => text.replace(/%(\d+)/g, (_, nth: string) => String(values[Number(nth) - 1])),
  _n: (one, many, n, ...values) => english.__(n === 1 ? one : many, n, ...values)
};

export let trans = english;

/** Texts by what they are of, each translated when it is asked for. */
export type Texts<K extends string> = Record<K, () => string>;

/** One of them; what is not known here is a newer server's, and stays as it came. */
export function textOf<K extends string>(texts: Texts<K>, key: K): string {
  return Object.hasOwn(texts, key) ? texts[key]() : key;
}

/** Has the page speak another language from now on. */
export function speak(words: Words): void {
  trans = words;
}
