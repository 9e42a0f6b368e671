// Drives the widget in Chromium: loads the built module as anywidget does (from a blob, with a bare model), plays
// recorded messages, and checks what a person would, in both themes and two widths. Leaves a screenshot of each where a
// folder for them is given.
//
//   node browser.mjs RECORDINGS.json CHROMIUM [SCREENSHOTS]
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import assert from 'node:assert/strict';
import path from 'node:path';

const [recordings, chromium, screenshots] = process.argv.slice(2);
const here = import.meta.dirname;
const { chromium: browserType } = createRequire(path.join(here, '../../labextension/package.json'))(
  'playwright-core'
);
const { esm, css, themes, scenes } = JSON.parse(readFileSync(recordings, 'utf8'));
const html = readFileSync(path.join(here, 'page.html'), 'utf8');

const WIDE = 860;
const NARROW = 400;

const browser = await browserType.launch({
  executablePath: chromium,
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync'
  ]
});

/** Opens a page with one scene. Every complaint of the page fails the run. */
async function open(scene, { theme, still = false, reducedMotion = 'no-preference' }) {
  const page = await browser.newPage({
    viewport: { width: WIDE, height: 760 },
    reducedMotion,
    colorScheme: theme === 'dark' ? 'dark' : 'light'
  });
  page.setDefaultTimeout(10_000);
  const complaints = [];
  page.on('pageerror', error => complaints.push(String(error)));
  page.on(
    'console',
    message => ['error', 'warning'].includes(message.type()) && complaints.push(message.text())
  );
  await page.setContent(html);
  if (themes[theme]) {
    await page.addStyleTag({ content: themes[theme] });
  }
  await page.evaluate(name => (document.body.dataset.jpThemeLight = String(name !== 'dark')), theme);
  if (still) {
    await page.evaluate(picture => (document.getElementById('cell').innerHTML = picture), scene.picture);
  } else {
    await page.addStyleTag({ content: css });
    await page.evaluate(play, { esm, scene });
  }
  await page.waitForSelector('.tj-card');
  return { page, complaints };
}

/** In the page: hosts the module as anywidget does, and plays the messages of a scene. */
async function play({ esm, scene }) {
  const url = URL.createObjectURL(new Blob([esm], { type: 'text/javascript' }));
  const widget = await (await import(url)).default();
  const handlers = new Map();
  const model = {
    get: () => scene.state,
    on: (event, callback) => handlers.set(event, [...(handlers.get(event) ?? []), callback]),
    off: (event, callback) =>
      handlers.set(
        event,
        (handlers.get(event) ?? []).filter(each => each !== callback)
      ),
    send: message => window.sent.push(message)
  };
  window.sent = [];
  window.emit = (event, ...values) => (handlers.get(event) ?? []).forEach(callback => callback(...values));
  window.leave = [
    await widget.initialize({ model }),
    await widget.render({ model, el: document.getElementById('cell') })
  ];
  window.handlers = handlers;
  for (const [content, buffers] of scene.messages) {
    const views = buffers.map(text => new DataView(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer));
    window.emit('msg:custom', content, views);
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
    if (words.length === 0 || node.closest('.tj-unseen, :disabled') || node.closest('option')) {
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

async function shot(page, name) {
  if (screenshots) {
    await page.locator('.tj-card').screenshot({ path: path.join(screenshots, `${name}.png`) });
  }
}
const overflow = () => document.documentElement.scrollWidth - document.documentElement.clientWidth;

const results = { passed: 0, failed: 0 };
async function check(name, body) {
  try {
    await body();
    results.passed += 1;
  } catch (error) {
    results.failed += 1;
    console.log(`not ok: ${name}\n${error.stack}`);
  }
}

async function view(name, options, body) {
  await check(`${name} ${JSON.stringify(options)}`, async () => {
    const { page, complaints } = await open(scenes[name], options);
    try {
      await body(page);
      assert.deepEqual(complaints, []);
    } finally {
      await page.close();
    }
  });
}

const STILL = ['complete', 'failed', 'stopped', 'hostile'];

for (const name of Object.keys(scenes)) {
  for (const theme of ['light', 'dark']) {
    for (const still of STILL.includes(name) ? [false, true] : [false]) {
      await view(name, { theme, still }, async page => {
        assert.deepEqual(await page.evaluate(faint), [], 'too faint to read');
        assert.equal(await page.evaluate(() => window.pwned), undefined, 'a pod ran a script');
        assert.equal(await page.locator('.tj-card img, .tj-card script').count(), 0, 'a pod made an element');
        assert.equal(
          await page.locator('.tj-card').first().getAttribute('data-state'),
          scenes[name].state.state
        );
        for (const width of [WIDE, NARROW]) {
          await page.setViewportSize({ width, height: 760 });
          assert.equal(await page.evaluate(overflow), 0, `scrolls sideways at ${width} pixels`);
          await shot(page, `${name}${still ? '-still' : ''}-${theme}-${width}`);
        }
      });
    }
  }
}

await view('running', { theme: 'bare' }, async page => {
  assert.deepEqual(await page.evaluate(faint), [], 'too faint to read without a host');
  await shot(page, 'running-bare');
});

await view('running', { theme: 'light' }, async page => {
  assert.deepEqual(
    await page.evaluate(() => window.sent),
    [{ kind: 'ready' }],
    'asks for everything when rendered'
  );
  const bar = page.getByRole('progressbar');
  assert.equal(await bar.getAttribute('aria-valuenow'), '72');
  assert.match(await bar.getAttribute('aria-valuetext'), /^Running, 72 %, 0:41 left, step 2,592 of 3,600$/);
  assert.equal(await page.locator('[aria-live]').count(), 1, 'one live region');
  assert.match(await page.getByRole('status').textContent(), /Running, 72 %/);
});

await view('running', { theme: 'light' }, async page => {
  const stop = page.getByRole('button', { name: 'Stop', exact: true });
  await stop.focus();
  await page.keyboard.press('Enter');
  assert.equal(
    await page.evaluate(() => document.activeElement.textContent),
    'Keep running',
    'asks, on the harmless side'
  );
  await shot(page, 'running-asks');
  await page.keyboard.press('Escape');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Stop', 'the focus comes back');
  await page.keyboard.press('Enter');
  await page.keyboard.press('Shift+Tab');
  await page.keyboard.press('Enter');
  assert.deepEqual(await page.evaluate(() => window.sent.at(-1)), {
    kind: 'stop'
  });
  assert.ok(await page.getByRole('button', { name: 'Stopping…' }).isDisabled());
  await page.evaluate(() =>
    window.emit('msg:custom', { kind: 'refused', message: 'the cluster does not answer' }, [])
  );
  await page.getByText('Not stopped: the cluster does not answer').waitFor();
});

await view('running', { theme: 'light' }, async page => {
  await page.getByRole('button', { name: 'Show data' }).click();
  assert.equal(await page.locator('.tj-table tbody tr').count(), 100);
  assert.deepEqual(await page.locator('.tj-table thead th').allTextContents(), [
    'step',
    'mean',
    'lowest rank',
    'highest rank'
  ]);
  await shot(page, 'running-data');
  await page.getByRole('button', { name: 'Show curve' }).click();
  await page.getByRole('radio', { name: /accuracy/ }).check();
  assert.match(await page.getByRole('img').getAttribute('aria-label'), /^accuracy: /);
  await page.locator('.tj-chart').hover();
  await page.getByText(/^step 1,\d+ · 0\.\d+ \(0\.\d+ – /).waitFor();
  await shot(page, 'running-pointed');
});

await view('running', { theme: 'light' }, async page => {
  const box = page.getByRole('region', { name: 'Log of all ranks' });
  const atEnd = () => box.evaluate(node => node.scrollHeight - node.scrollTop - node.clientHeight <= 2);
  const add = (seq, text) =>
    page.evaluate(
      ([n, words]) =>
        window.emit(
          'msg:custom',
          {
            kind: 'log',
            seq: n,
            reset: false,
            lines: [[Date.now() / 1000, 1, words]]
          },
          []
        ),
      [seq, text]
    );
  await add(3, 'first');
  await page.getByText('first').waitFor();
  assert.ok(await atEnd(), 'follows');
  await box.evaluate(node => (node.scrollTop = 0));
  await page.getByRole('button', { name: 'Follow' }).waitFor();
  await add(4, 'second');
  await page.getByText('second').waitFor();
  assert.ok(!(await atEnd()), 'stays where somebody reads');
  await page.getByRole('button', { name: 'Follow' }).click();
  assert.ok(await atEnd(), 'follows again');
  await add(9, 'after a gap');
  await page.getByText('after a gap').waitFor();
});

await view('running', { theme: 'light' }, async page => {
  const drawn = () => page.locator('.tj-chart canvas').evaluate(canvas => canvas.toDataURL());
  await page.locator('.tj-chart canvas').waitFor();
  const before = await drawn();
  await page.addStyleTag({ content: themes.dark });
  await page.evaluate(() => (document.body.dataset.jpThemeLight = 'false'));
  await page.waitForFunction(was => document.querySelector('.tj-chart canvas').toDataURL() !== was, before);
});

await view('running', { theme: 'light' }, async page => {
  await page.evaluate(() => window.leave.forEach(end => end()));
  assert.equal(await page.locator('.tj-card').count(), 0, 'leaves nothing');
  assert.deepEqual(
    await page.evaluate(() => [...window.handlers.values()].flat().length),
    0,
    'listens no more'
  );
});

await view('running-no-total', { theme: 'dark', reducedMotion: 'reduce' }, async page => {
  assert.equal(
    await page.locator('.tj-progress-done').evaluate(node => getComputedStyle(node).animationName),
    'none'
  );
  assert.equal(await page.getByRole('progressbar').getAttribute('aria-valuenow'), null);
  await page.getByRole('combobox', { name: 'Metric' }).selectOption('grad_norm/layer3');
  assert.match(await page.getByRole('img').getAttribute('aria-label'), /^grad_norm\/layer3: /);
});

await view('failed', { theme: 'light' }, async page => {
  assert.equal(await page.locator('.tj-traceback pre').isVisible(), false, 'folded');
  await page.getByText('Traceback of rank 3').click();
  assert.ok(await page.locator('.tj-traceback pre').isVisible());
  await shot(page, 'failed-traceback');
});

await browser.close();
console.log(`${results.passed} passed, ${results.failed} failed`);
process.exit(results.failed === 0 ? 0 : 1);
