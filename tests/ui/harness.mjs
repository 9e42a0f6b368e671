// Drives the widget in Chromium: loads the built module as anywidget does (from a blob, with a minimal model), plays
// recorded messages, and answers requests as recorded. Each `<topic>.mjs` beside this file is run as a script:
//
//   node card.mjs RECORDINGS.json CHROMIUM [SCREENSHOTS]
import { readFileSync, writeFileSync } from 'node:fs';
import assert from 'node:assert/strict';
import path from 'node:path';

import { launch, need, patience } from './chromium.mjs';
import { album, renewing, STILL } from './pictures.mjs';

const [recordings, chromium, screenshots] = process.argv.slice(2);
const here = import.meta.dirname;
const { esm, css, themes, now, scenes: played } = JSON.parse(readFileSync(recordings, 'utf8'));
const html = readFileSync(path.join(here, 'page.html'), 'utf8');
const axe = readFileSync(need.resolve('axe-core/axe.min.js'), 'utf8');

/** The recorded scenes of the topic, by name. */
export const scenes = played;
export { assert, themes };
export const WIDE = 860;
export const NARROW = 400;

const browser = await launch(chromium);
export const pictures = album(browser);

/**
 * Opens a page with one scene, at its time; `answers` adds to those of the scene. An error or warning of the page fails
 * the run.
 */
async function open(scene, { theme, width = WIDE, reducedMotion = 'no-preference', answers = {} }) {
  const page = await browser.newPage({
    viewport: { width, height: 900 },
    reducedMotion,
    timezoneId: 'UTC',
    locale: 'en-US'
  });
  page.setDefaultTimeout(patience(60_000));
  await page.clock.setFixedTime(now * 1000);
  const complaints = [];
  page.on('pageerror', error => complaints.push(String(error)));
  page.on(
    'console',
    message => ['error', 'warning'].includes(message.type()) && complaints.push(message.text())
  );
  await page.setContent(html);
  await setTheme(page, theme);
  await page.addStyleTag({ content: css });
  await page.evaluate(play, { esm, scene: { ...scene, answers: { ...scene.answers, ...answers } } });
  await page.waitForSelector('.tj-card');
  return { page, complaints };
}

/** Light or dark with JupyterLab's variables, vscode-dark with VS Code's; bare and bare-dark without; contrast: forced colours. */
export async function setTheme(page, theme) {
  const dark = theme.endsWith('dark');
  await page.emulateMedia({
    colorScheme: dark ? 'dark' : 'light',
    forcedColors: theme === 'contrast' ? 'active' : 'none'
  });
  await page.evaluate(
    ([variables, light]) => {
      document.getElementById('theme').textContent = variables ?? '';
      if (variables) {
        document.body.dataset.jpThemeLight = String(light);
      }
    },
    [themes[theme], !dark]
  );
}

/** In the page: hosts the module as anywidget does, plays the messages of a scene, and answers requests. */
async function play({ esm, scene }) {
  const url = URL.createObjectURL(new Blob([esm], { type: 'text/javascript' }));
  const widget = await (await import(url)).default();
  const handlers = new Map();
  const views = buffers =>
    buffers.map(text => new DataView(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer));
  window.answers = scene.answers;
  window.sent = [];
  window.emit = (event, ...values) => (handlers.get(event) ?? []).forEach(callback => callback(...values));
  /** Delivers a message about the scene's job: `receive({kind: 'log', …})`. */
  window.receive = (content, buffers = []) =>
    window.emit('msg:custom', { job: scene.state.uid, ...content }, views(buffers));
  const model = {
    get: name => scene[name],
    on: (event, callback) => handlers.set(event, [...(handlers.get(event) ?? []), callback]),
    off: (event, callback) =>
      handlers.set(
        event,
        (handlers.get(event) ?? []).filter(each => each !== callback)
      ),
    send: message => {
      window.sent.push(message);
      const answer = message.kind === 'ask' ? window.answers[message.what] : undefined;
      if (answer) {
        const [content, buffers] = answer;
        setTimeout(() => window.receive({ ok: true, ...content, kind: 'answer', id: message.id }, buffers));
      }
    }
  };
  window.cleanups = [
    await widget.initialize({ model }),
    await widget.render({ model, el: document.getElementById('cell') })
  ];
  window.handlers = handlers;
  window.model = model;
  for (const [content, buffers] of scene.messages) {
    window.emit('msg:custom', content, views(buffers));
  }
}

/** In the page: texts whose contrast with their background is below WCAG's level AA. */
function faint() {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const rgb = (colour, behind = [255, 255, 255]) => {
    canvas.fillStyle = `rgb(${behind.join(' ')})`;
    canvas.fillRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const luminance = colour => {
    const [r, g, b] = colour.map(c =>
      c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4
    );
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const background = node => {
    const chain = [];
    for (let each = node; each; each = each.parentElement) {
      chain.unshift(getComputedStyle(each).backgroundColor);
    }
    return chain.reduce((behind, colour) => rgb(colour, behind), [255, 255, 255]);
  };
  const texts = [];
  for (const node of document.querySelectorAll('.tj-card *')) {
    const words = [...node.childNodes]
      .filter(child => child.nodeType === 3 && child.data.trim())
      .map(child => child.data);
    if (
      words.length === 0 ||
      node.closest('.tj-unseen, :disabled, [aria-disabled=true], option') ||
      !node.checkVisibility()
    ) {
      continue;
    }
    const behind = background(node);
    const [a, b] = [luminance(rgb(getComputedStyle(node).color, behind)), luminance(behind)].sort(
      (x, y) => y - x
    );
    const contrast = (a + 0.05) / (b + 0.05);
    if (contrast < 4.5) {
      texts.push(`${node.className}: "${words[0].slice(0, 30)}" ${contrast.toFixed(2)}`);
    }
  }
  return texts;
}

/** In the page: axe's violations in the cell, a line each. */
async function violations(rules) {
  const { violations: found } = await window.axe.run('#cell', {
    runOnly: rules ?? ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    // A cell is part of a page: headings and landmarks are the host's.
    rules: { region: { enabled: false }, 'heading-order': { enabled: false } }
  });
  return found.map(
    ({ id, nodes }) => `${id}: ${nodes.map(node => `${node.html} ${node.failureSummary}`).join(' | ')}`
  );
}

/** Waits until `expected` elements match: the page is redrawn a frame after an action. */
export async function expectCount(locator, expected, message = 'elements') {
  const deadline = performance.now() + patience(60_000);
  let count = await locator.count();
  while (count !== expected && performance.now() < deadline) {
    await locator.page().waitForTimeout(20);
    count = await locator.count();
  }
  assert.equal(count, expected, `${message}: ${locator}`);
}

/** Checks the page with axe, by all of its rules or the given ones. */
export async function expectAxePasses(page, rules = null) {
  if (renewing) {
    return;
  }
  if (!(await page.evaluate(() => 'axe' in window))) {
    await page.evaluate(axe);
  }
  assert.deepEqual(await page.evaluate(violations, rules), [], 'axe');
}

/** Checks the contrast of all texts. */
export async function expectReadableContrast(page) {
  assert.deepEqual(await page.evaluate(faint), [], 'too faint to read');
}

/** Takes a screenshot of the cell: compares it with the reference picture, if any, and saves it in the folder for screenshots, if given. */
export async function shot(page, name) {
  if (!screenshots && !pictures.keeps(name)) {
    return;
  }
  const take = () => page.locator('#cell').screenshot(STILL);
  const png = await take();
  if (screenshots) {
    writeFileSync(path.join(screenshots, `${name}.png`), png);
  }
  await pictures.compare(name, png, take);
}

/** Takes screenshots in the light and the dark theme. */
export async function shots(page, name) {
  for (const theme of ['dark', 'light']) {
    await setTheme(page, theme);
    await shot(page, `${name}-${theme}`);
  }
}

const results = { passed: 0, failed: 0 };

/** Runs `body` with a page of one scene: `await withScene('running', {theme: 'light'}, async page => …)`. */
export async function withScene(name, options, body) {
  let opened;
  try {
    assert.ok(scenes[name], `no such scene: ${name}`);
    opened = await open(scenes[name], options);
    await body(opened.page);
    assert.deepEqual(opened.complaints, []);
    results.passed += 1;
  } catch (error) {
    results.failed += 1;
    console.log(`not ok: ${name} ${JSON.stringify(options)}\n${error.stack}`);
  } finally {
    await opened?.page.close();
  }
}

/**
 * Checks scenes in light, dark and forced colours, in each width: contrast, no horizontal scrolling, no element or script
 * from the text of a pod, axe's rules. `prepare` brings the page into the state to check.
 */
export async function checkInAllThemes(
  names,
  { prepare = async () => {}, label = '', widths = [WIDE, NARROW] } = {}
) {
  for (const name of names) {
    await withScene(name, { theme: 'light', width: widths[0] }, async page => {
      await prepare(page);
      assert.equal(await page.evaluate(() => window.pwned), undefined, 'a pod ran a script');
      assert.equal(await page.locator('.tj-card :is(img, script)').count(), 0, 'a pod made an element');
      for (const theme of renewing ? ['light', 'dark'] : ['light', 'dark', 'contrast']) {
        await setTheme(page, theme);
        await page.setViewportSize({ width: widths[0], height: 900 });
        // The theme affects only axe's rule for contrast.
        await expectAxePasses(page, theme === 'light' ? null : ['color-contrast']);
        if (theme !== 'contrast' && !renewing) {
          await expectReadableContrast(page);
        }
        for (const width of renewing ? widths.slice(0, 1) : widths) {
          await page.setViewportSize({ width, height: 900 });
          const wide = () => document.documentElement.scrollWidth - document.documentElement.clientWidth;
          assert.equal(await page.evaluate(wide), 0, `scrolls sideways at ${width} pixels`);
          await shot(page, `${name}${label}-${theme}${width === widths[0] ? '' : `-${width}`}`);
        }
      }
    });
  }
}

/** Prints the results and exits; the last line of each topic. */
export async function finish() {
  await browser.close();
  pictures.problems.forEach(problem => console.log(`not ok: ${problem}`));
  results.failed += pictures.problems.length;
  console.log(`${results.passed} passed, ${results.failed} failed`);
  process.exit(results.failed === 0 ? 0 : 1);
}
