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

// What Preact takes as browsers do, and React otherwise: see src/widget/react.ts.
const NO_REACTISMS = [
  {
    selector: 'JSXAttribute[name.name=/^onDoubleClick$/]',
    message: 'Without React, it is onDblClick: use a listener of the DOM.'
  },
  {
    selector:
      'JSXOpeningElement[name.name=/^(input|textarea)$/]:not(:has(JSXAttribute[name.name="type"] > Literal[value=/^(checkbox|radio|file)$/])) > JSXAttribute[name.name="onChange"]',
    message: 'Use onInput: without React, onChange waits until the text is left.'
  }
];

export default ts.config(
  { ignores: ['node_modules', 'lib'] },
  js.configs.recommended,
  ...ts.configs.strict,
  {
    files: ['src/**/*.{ts,tsx}'],
    plugins: { 'react-hooks': hooks },
    rules: {
      'react-hooks/rules-of-hooks': 'error',
      'react-hooks/exhaustive-deps': 'error',
      'no-restricted-syntax': ['error', ...NO_HTML, ...NO_REACTISMS]
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
  { files: ['*.mjs'], languageOptions: { globals: { process: 'readonly', URL: 'readonly' } } }
);
