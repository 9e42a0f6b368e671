// The browser of the widget's tests, the tests in Jupyter, and the benchmarks.
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';

/** Loads packages that the front end's `npm ci` has installed. */
export const need = createRequire(path.join(import.meta.dirname, '../../labextension/package.json'));

/** Returns a limit of time for this machine: `milliseconds` on a quiet one. */
export const patience = milliseconds => milliseconds * Number(process.env.TRAINJOB_TEST_PATIENCE ?? 1);

export const launch = executablePath =>
  need('playwright-core').chromium.launch({
    executablePath,
    // Nothing is written to the home folder: crash reports and settings of the desktop.
    env: { ...process.env, XDG_CONFIG_HOME: path.join(os.tmpdir(), 'chromium'), GSETTINGS_BACKEND: 'memory' },
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
