import { defineConfig } from 'vitest/config';

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
