// Builds the cell's widget into the Python package: one ES module and its style sheet; and for the extension of
// JupyterLab, which `@jupyter/builder` packs, one plain module.
//
// Components are written against React, which the sidebar shares with JupyterLab; here Preact stands in for it, because
// a widget is loaded from a blob and must carry everything with it.
import { build, context } from 'esbuild';
import { readFileSync } from 'node:fs';

/**
 * What of uPlot never runs, because charts stroke their own lines, take the pointer themselves and count seconds as
 * numbers: a third of its size, which no bundler sees. Bodies of functions by name, and the lines that hang ways of drawing
 * on uPlot itself.
 */
const IDLE_FUNCTIONS = [
  ...['fmtDate', 'tzDate', 'timeAxisStamps', 'timeAxisVals', 'timeAxisVal', 'timeSeriesStamp', 'timeSeriesVal'],
  ...['linear', 'points', 'drawSeries', 'drawPath', 'fillStroke', 'strokeFill', 'setSeries'],
  ...['initLegendRow', 'setLegend'],
  ...['mouseDown', 'mouseUp', 'mouseMove', 'mouseLeave', 'cacheMouse', 'dblClick']
];
const IDLE_LINES = /^\t(?:\(paths\.(?:stepped|bars|spline)|uPlot\.(?:join|tzDate|addGap)) .*$/gm;
const leanPlot = {
  name: 'lean-uplot',
  setup(build) {
    build.onLoad({ filter: /uPlot\.esm\.js$/ }, ({ path }) => {
      let text = readFileSync(path, 'utf8');
      const cut = (what, by, times = 1) => {
        if (text.match(what)?.length !== times) {
          throw new Error(`uPlot is not what it was: see what of it never runs, ${what}`);
        }
        text = text.replace(what, by);
      };
      const body = name => new RegExp(`^(\\t?)(function ${name}\\(.*\\) \\{\\n)[^]*?^\\1\\}$`, 'gm');
      IDLE_FUNCTIONS.forEach(name => cut(body(name), '$1$2$1}'));
      cut(body('genTimeStuffs'), '$2\treturn [[], [], () => {}];\n}');
      cut(IDLE_LINES, '', 6);
      return { contents: text, loader: 'js' };
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
