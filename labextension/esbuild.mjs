// Builds the cell's widget into the Python package: one ES module and its style sheet; and for the extension of
// JupyterLab, which `@jupyter/builder` packs, one plain module.
//
// Components are written for React, which the sidebar shares with JupyterLab. In the widget Preact replaces it, because
// a widget is loaded from a blob and must contain all its code.
import { build, context } from 'esbuild';
import { mkdirSync, writeFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

/**
 * Each view of a job carries its code through the comm into the page, so the module is packed: what the page gets is a
 * few lines that unpack the rest. A watching build is left plain, for the browser's debugger.
 */
const packed = {
  name: 'packed',
  setup(build) {
    build.initialOptions.write = false;
    build.onEnd(({ outputFiles }) =>
      outputFiles?.forEach(({ path, contents }) =>
        writeFileSync(path, path.endsWith('.js') ? unpacking(gzipSync(contents, { level: 9 })) : contents)
      )
    );
  }
};

function unpacking(module) {
  return `const packed = Uint8Array.from(atob('${module.toString('base64')}'), c => c.charCodeAt(0));
const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'));
const source = await new Response(stream, { headers: { 'Content-Type': 'text/javascript' } }).blob();
const url = URL.createObjectURL(source);
const widget = await import(url);
URL.revokeObjectURL(url);
export default widget.default;
`;
}

const watching = process.argv.includes('--watch');
const options = {
  entryPoints: { widget: 'src/widget/index.ts' },
  outdir: '../jupyter_trainjob/widget/static',
  bundle: true,
  format: 'esm',
  target: 'es2022',
  minify: !watching,
  legalComments: 'none',
  jsx: 'automatic',
  alias: {
    'react/jsx-runtime': 'preact/jsx-runtime',
    react: './src/widget/react.ts'
  },
  plugins: watching ? [] : [packed],
  logLevel: 'info'
};

const lab = {
  entryPoints: { lab: 'src/lab/index.ts' },
  outdir: 'lib',
  bundle: true,
  format: 'esm',
  target: 'es2022',
  external: ['@jupyterlab/*', '@lumino/*', 'react', 'react/*'],
  jsx: 'automatic',
  logLevel: 'warning'
};

if (watching) {
  await Promise.all([options, lab].map(async each => (await context(each)).watch()));
} else {
  mkdirSync(options.outdir, { recursive: true });
  await Promise.all([options, lab].map(build));
}
