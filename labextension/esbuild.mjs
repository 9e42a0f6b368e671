// Builds the cell's widget into the Python package: one ES module and its style sheet.
//
// Components are written against React, which the sidebar shares with JupyterLab; here Preact stands in for it, because
// a widget is loaded from a blob and must carry everything with it.
import { build, context } from 'esbuild';

const options = {
  entryPoints: { widget: 'src/widget/index.ts' },
  outdir: '../jupyter_trainjob/widget/static',
  bundle: true,
  format: 'esm',
  target: 'es2022',
  minify: !process.argv.includes('--watch'),
  legalComments: 'none',
  jsx: 'automatic',
  alias: {
    'react/jsx-runtime': 'preact/jsx-runtime',
    react: 'preact/compat'
  },
  logLevel: 'info'
};

if (process.argv.includes('--watch')) {
  await (await context(options)).watch();
} else {
  await build(options);
}
