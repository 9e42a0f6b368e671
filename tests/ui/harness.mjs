// Drives the widget in Chromium: loads the built module as anywidget does (from a blob, with a bare model), plays
// recorded messages, answers requests as recorded, and lets a topic check what a person would. Each `<topic>.mjs` beside
// this file is run by itself:
//
//   node card.mjs RECORDINGS.json CHROMIUM [SCREENSHOTS]
import { readFileSync, writeFileSync } from 'node:fs';
import assert from 'node:assert/strict';
import path from 'node:path';

import { launch, need } from './chromium.mjs';
import { album, renewing, STILL } from './pictures.mjs';

const [recordings, chromium, screenshots] = process.argv.slice(2);
const here = import.meta.dirname;
const { esm, css, themes, now, scenes: played } = JSON.parse(readFileSync(recordings, 'utf8'));
const html = readFileSync(path.join(here, 'page.html'), 'utf8');
const axe = readFileSync(need.resolve('axe-core/axe.min.js'), 'utf8');

/** What the topic was given, by name. */
export const scenes = played;
export { assert, themes };
export const WIDE = 860;
export const NARROW = 400;

const browser = await launch(chromium);
export const pictures = album(browser);

/**
 * Opens a page with one scene, at its moment; `answers` adds to those of the scene. Every complaint of the page fails the
 * run.
 */
async function open(scene, { theme, width = WIDE, reducedMotion = 'no-preference', answers = {} }) {
  const page = await browser.newPage({
    viewport: { width, height: 900 },
    reducedMotion,
    timezoneId: 'UTC',
    locale: 'en-US'
  });
  page.setDefaultTimeout(30_000);
  await page.clock.setFixedTime(now * 1000);
  const complaints = [];
  page.on('pageerror', error => complaints.push(String(error)));
  page.on(
    'console',
    message => ['error', 'warning'].includes(message.type()) && complaints.push(message.text())
  );
  await page.setContent(html);
  await wear(page, theme);
  await page.addStyleTag({ content: css });
  await page.evaluate(play, { esm, scene: { ...scene, answers: { ...scene.answers, ...answers } } });
  await page.waitForSelector('.tj-card');
  return { page, complaints };
}

/** Light or dark with JupyterLab's variables, vscode-dark with VS Code's; bare and bare-dark without; contrast: forced colours. */
export async function wear(page, theme) {
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

/** In the page: hosts the module as anywidget does, plays the messages of a scene, and answers for the kernel. */
async function play({ esm, scene }) {
  const url = URL.createObjectURL(new Blob([esm], { type: 'text/javascript' }));
  const widget = await (await import(url)).default();
  const handlers = new Map();
  const views = buffers =>
    buffers.map(text => new DataView(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer));
  window.answers = scene.answers;
  window.sent = [];
  window.emit = (event, ...values) => (handlers.get(event) ?? []).forEach(callback => callback(...values));
  /** What the kernel says about the scene's job: `say({kind: 'log', …})`. */
  window.say = (content, buffers = []) =>
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
        setTimeout(() => window.say({ ok: true, ...content, kind: 'answer', id: message.id }, buffers));
      }
    }
  };
  window.leave = [
    await widget.initialize({ model }),
    await widget.render({ model, el: document.getElementById('cell') })
  ];
  window.handlers = handlers;
  window.model = model;
  for (const [content, buffers] of scene.messages) {
    window.emit('msg:custom', content, views(buffers));
  }
}

/** In the page: the texts whose contrast with what lies behind them is below WCAG's AA. */
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
  const found = [];
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
      found.push(`${node.className}: "${words[0].slice(0, 30)}" ${contrast.toFixed(2)}`);
    }
  }
  return found;
}

/** In the page: what axe finds in the cell, a line each. */
async function violations(rules) {
  const { violations: found } = await window.axe.run('#cell', {
    runOnly: rules ?? ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
    // A cell is a part of a page whose headings and landmarks are the host's.
    rules: { region: { enabled: false }, 'heading-order': { enabled: false } }
  });
  return found.map(
    ({ id, nodes }) => `${id}: ${nodes.map(node => `${node.html} ${node.failureSummary}`).join(' | ')}`
  );
}

/** That there come to be so many of them: what an action does is drawn a frame later. */
export async function counted(locator, expected, what = 'elements') {
  const deadline = performance.now() + 10_000;
  let found = await locator.count();
  while (found !== expected && performance.now() < deadline) {
    await locator.page().waitForTimeout(20);
    found = await locator.count();
  }
  assert.equal(found, expected, `${what}: ${locator}`);
}

/** What axe finds now, by all of its rules or those named. */
export async function accessible(page, rules = null) {
  if (renewing) {
    return;
  }
  if (!(await page.evaluate(() => 'axe' in window))) {
    await page.evaluate(axe);
  }
  assert.deepEqual(await page.evaluate(violations, rules), [], 'axe');
}

/** That no text is too faint to read. */
export async function legible(page) {
  assert.deepEqual(await page.evaluate(faint), [], 'too faint to read');
}

/** Takes a picture of what the cell shows: compared where one is kept, left where a folder for pictures was given. */
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

/** Takes it in light and in dark. */
export async function shots(page, name) {
  for (const theme of ['dark', 'light']) {
    await wear(page, theme);
    await shot(page, `${name}-${theme}`);
  }
}

const results = { passed: 0, failed: 0 };

/** Looks at one scene: `await view('running', {theme: 'light'}, async page => …)`. */
export async function view(name, options, body) {
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
 * Looks at scenes in light, dark and forced colours, in each width: legible, nothing scrolls sideways, nothing that a
 * pod wrote became an element or ran, axe is content. `prepare` brings the page where it is to be looked at.
 */
export async function everywhere(
  names,
  { prepare = async () => {}, label = '', widths = [WIDE, NARROW] } = {}
) {
  for (const name of names) {
    await view(name, { theme: 'light', width: widths[0] }, async page => {
      await prepare(page);
      assert.equal(await page.evaluate(() => window.pwned), undefined, 'a pod ran a script');
      assert.equal(await page.locator('.tj-card :is(img, script)').count(), 0, 'a pod made an element');
      for (const theme of renewing ? ['light', 'dark'] : ['light', 'dark', 'contrast']) {
        await wear(page, theme);
        await page.setViewportSize({ width: widths[0], height: 900 });
        // Of axe's rules, only that of contrast sees the theme.
        await accessible(page, theme === 'light' ? null : ['color-contrast']);
        if (theme !== 'contrast' && !renewing) {
          await legible(page);
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

/** Says how it went; the last line of each topic. */
export async function finish() {
  await browser.close();
  pictures.problems.forEach(problem => console.log(`not ok: ${problem}`));
  results.failed += pictures.problems.length;
  console.log(`${results.passed} passed, ${results.failed} failed`);
  process.exit(results.failed === 0 ? 0 : 1);
}
