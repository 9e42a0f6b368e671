/**
 * Translation of the page's texts: English, unless the host supplies a catalogue.
 *
 * JupyterLab's tools extract texts from calls of these names, so texts are literals, whole sentences, with `%1`, `%2` …
 * in the places of values. In `_n`, `%1` is the number itself. Texts must not be translated while a module is loaded:
 * the language is not known yet.
 */

/** The part of JupyterLab's `TranslationBundle` that is used. */
export interface Translations {
  __(text: string, ...values: readonly unknown[]): string;
  _n(one: string, many: string, n: number, ...values: readonly unknown[]): string;
}

const english: Translations = {
  __: (text, ...values) => text.replace(/%(\d+)/g, (_, nth: string) => String(values[Number(nth) - 1])),
  _n: (one, many, n, ...values) => english.__(n === 1 ? one : many, n, ...values)
};

export let trans = english;

/** Texts by key, translated on access. */
export type Texts<K extends string> = Record<K, () => string>;

/** Returns the text of a key; an unknown key, sent by a newer server, is returned unchanged. */
export function textOf<K extends string>(texts: Texts<K>, key: K): string {
  return Object.hasOwn(texts, key) ? texts[key]() : key;
}

/** Sets the translations of the page. */
export function setTranslations(translations: Translations): void {
  trans = translations;
}
