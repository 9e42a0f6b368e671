import js from '@eslint/js';
import hooks from 'eslint-plugin-react-hooks';
import ts from 'typescript-eslint';

const NO_HTML = [
  {
    selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']",
    message: 'What comes from a pod is text, never HTML.'
  },
  {
    selector: 'MemberExpression[property.name=/^(innerHTML|outerHTML|insertAdjacentHTML)$/]',
    message: 'What comes from a pod is text, never HTML.'
  }
];

export default ts.config(
  { ignores: ['node_modules'] },
  js.configs.recommended,
  ...ts.configs.strict,
  {
    files: ['src/**/*.{ts,tsx}'],
    plugins: { 'react-hooks': hooks },
    rules: {
      'react-hooks/rules-of-hooks': 'error',
      'react-hooks/exhaustive-deps': 'error',
      'no-restricted-syntax': ['error', ...NO_HTML]
    }
  },
  {
    // The layers: core knows no DOM and nobody else, ui knows core, the entries know both.
    files: ['src/core/**'],
    rules: {
      'no-restricted-imports': ['error', { patterns: ['react', 'react/*', 'uplot*', '../*'] }],
      'no-restricted-globals': ['error', 'window', 'document', 'getComputedStyle', 'HTMLElement']
    }
  },
  {
    files: ['src/ui/**'],
    rules: {
      'no-restricted-imports': ['error', { patterns: ['preact', 'preact/*', '../widget/*', '../lab/*'] }]
    }
  },
  { files: ['*.mjs'], languageOptions: { globals: { process: 'readonly' } } }
);
