// The browser of the widget's tests, the tests in Jupyter, and the benchmarks.
import { createRequire } from 'node:module';
import path from 'node:path';

/** Loads packages that the front end's `npm ci` has installed. */
export const need = createRequire(path.join(import.meta.dirname, '../../labextension/package.json'));

export const launch = executablePath =>
  need('playwright-core').chromium.launch({
    executablePath,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync'
    ]
  });
