// Builds the page of the sidebar and the form, labextension/test/page.tsx, for tests alone: page.js and page.css.
//
//   node bundle.mjs FOLDER
import path from 'node:path';

import { need } from './chromium.mjs';

const labextension = path.join(import.meta.dirname, '../../labextension');

await need('esbuild').build({
  absWorkingDir: labextension,
  entryPoints: ['test/page.tsx'],
  outdir: process.argv[2],
  bundle: true,
  format: 'esm',
  target: 'es2022',
  jsx: 'automatic',
  alias: { 'react/jsx-runtime': 'preact/jsx-runtime', react: './src/widget/react.ts' },
  logLevel: 'warning'
});
