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

// Names that differ between React and Preact: see src/widget/react.ts.
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

// User-visible texts are translated by `trans` of src/core/i18n.ts, in the form that JupyterLab's tools can extract.
const LETTERS = '/\\p{L}/u';
const READ = '/^(aria-(label|valuetext|description|placeholder)|title|placeholder|alt|label|caption)$/';
const SAID = '/^(label|labelTitle|caption|category|title|body|placeholder|detail|message|trouble)$/';
const SHOWN = `:matches(JSXElement, JSXFragment) > JSXExpressionContainer`;
const UNTRANSLATED = 'Write it as trans.__(…), so that it can be translated.';
const TRANSLATED = [
  ...[
    `JSXText[value=${LETTERS}]`,
    ...[
      `JSXAttribute[name.name=${READ}]`,
      `JSXAttribute[name.name=${READ}] > JSXExpressionContainer`,
      SHOWN
    ].flatMap(place =>
      ['', '> ConditionalExpression ', '> LogicalExpression '].flatMap(within => [
        `${place} ${within}> Literal[value=${LETTERS}]`,
        `${place} ${within}> TemplateLiteral > TemplateElement[value.raw=${LETTERS}]`
      ])
    ),
    `Property[key.name=${SAID}] > Literal[value=${LETTERS}]`,
    `Property[key.name=${SAID}] > TemplateLiteral > TemplateElement[value.raw=${LETTERS}]`,
    `NewExpression[callee.name=/^(Error|ServerError)$/] > :matches(Literal[value=${LETTERS}], TemplateLiteral)`
  ].map(selector => ({ selector, message: UNTRANSLATED })),
  {
    selector: "CallExpression[callee.object.name='trans']:not(:function *)",
    message: 'No language is known when a module is loaded: make it a function.'
  },
  {
    selector:
      "CallExpression[callee.object.name='trans']:not([arguments.0.type='Literal']), CallExpression[callee.object.name='trans'][callee.property.name='_n']:not([arguments.1.type='Literal'])",
    message: 'Only literals are collected for translation: put values in by %1, %2 …'
  },
  {
    selector: "CallExpression[callee.object.name='trans'] > Literal:first-child[value=/%%/]",
    message: 'JupyterLab makes one of two percent signs: put them in by %1.'
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
      'no-restricted-syntax': ['error', ...NO_HTML, ...NO_REACTISMS, ...TRANSLATED]
    }
  },
  {
    // The layers: core imports neither DOM libraries nor other layers, ui imports core, lab and widget import both.
    files: ['src/core/**'],
    rules: {
      'no-restricted-imports': [
        'error',
        { patterns: ['react', 'react/*', 'uplot*', '**/ui/**', '**/widget/**', '**/lab/**'] }
      ],
      'no-restricted-globals': ['error', 'window', 'document', 'getComputedStyle', 'HTMLElement']
    }
  },
  {
    files: ['src/ui/**'],
    rules: {
      'no-restricted-imports': ['error', { patterns: ['preact', 'preact/*', '**/widget/**', '**/lab/**'] }]
    }
  },
  { files: ['*.mjs'], languageOptions: { globals: { process: 'readonly', URL: 'readonly' } } }
);
