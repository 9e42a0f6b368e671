import { defineConfig } from 'vitest/config';

// Vitest writes a token for its API here: not into the home folder.
process.env.XDG_DATA_HOME = new URL('./node_modules/.cache', import.meta.url).pathname;

export default defineConfig({
  resolve: {
    alias: [
      { find: 'react/jsx-runtime', replacement: 'preact/jsx-runtime' },
      { find: 'react/jsx-dev-runtime', replacement: 'preact/jsx-dev-runtime' },
      { find: /^react$/, replacement: new URL('./src/widget/react.ts', import.meta.url).pathname },
      // Answers requests as each test specifies.
      {
        find: '@jupyterlab/services',
        replacement: new URL('./test/services.ts', import.meta.url).pathname
      }
    ]
  },
  test: { environment: 'happy-dom', include: ['test/**/*.test.{ts,tsx}'], pool: 'threads', maxWorkers: 1 }
});
