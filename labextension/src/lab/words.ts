/** Words in the user's language, where somebody has translated them. */
import { nullTranslator, type Translator } from '@jupyterlab/translation';

export interface Words {
  /** Of a text with %1, %2 … in the places of `values`. */
  __(text: string, ...values: readonly string[]): string;
}

const DOMAIN = 'jupyter_trainjob';

export const load = (translator: Translator | null): Words => (translator ?? nullTranslator).load(DOMAIN);
