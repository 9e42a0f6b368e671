// Builds the cell's widget into the Python package: one ES module and its style sheet; and for the extension of
// JupyterLab, which `@jupyter/builder` packs, one plain module.
//
// Components are written against React, which the sidebar shares with JupyterLab; here Preact stands in for it, because
// a widget is loaded from a blob and must carry everything with it.
import { build, context } from 'esbuild';
import { readFileSync } from 'node:fs';

/** uPlot hangs every way of drawing on itself, where no bundler sees that nobody uses it: an eighth of its size. */
const leanPlot = {
  name: 'lean-uplot',
  setup(build) {
    build.onLoad({ filter: /uPlot\.esm\.js$/ }, ({ path }) => {
      const unused = /^\t(?:\(paths\.(?:stepped|bars|spline)|uPlot\.(?:join|tzDate|addGap)) .*$/gm;
      const whole = readFileSync(path, 'utf8');
      const lean = whole.replace(unused, '');
      if (whole.match(unused)?.length !== 6) {
        throw new Error('uPlot is not what it was: see which lines of its end can go');
      }
      return { contents: lean, loader: 'js' };
    });
  }
};

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
    react: './src/widget/react.ts'
  },
  plugins: [leanPlot],
  logLevel: 'info'
};

const lab = {
  entryPoints: { lab: 'src/lab/index.ts' },
  outdir: 'lib',
  bundle: true,
  format: 'esm',
  target: 'es2022',
  external: ['@jupyterlab/*', '@lumino/*'],
  logLevel: 'warning'
};

if (process.argv.includes('--watch')) {
  await Promise.all([options, lab].map(async each => (await context(each)).watch()));
} else {
  await Promise.all([options, lab].map(build));
}
