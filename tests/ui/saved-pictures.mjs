// Checks saved pictures of jobs in Chromium, as viewers of notebooks show them: an image in a data URI.
//
//   node saved-pictures.mjs PICTURES.json CHROMIUM [SCREENSHOTS]
import { readFileSync } from 'node:fs';
import assert from 'node:assert/strict';
import path from 'node:path';

import { launch, need } from './chromium.mjs';
import { album, STILL } from './pictures.mjs';

const [file, executablePath, screenshots] = process.argv.slice(2);
const axe = readFileSync(need.resolve('axe-core/axe.min.js'), 'utf8');
const { pages, pictures } = JSON.parse(readFileSync(file, 'utf8'));
const browser = await launch(executablePath);

const references = album(browser);

/** Opens a page in a colour scheme; records its network requests and errors. */
const complaints = [];
async function open(colorScheme) {
  const page = await browser.newPage({
    colorScheme,
    timezoneId: 'UTC',
    viewport: { width: 800, height: 600 }
  });
  page.on('pageerror', error => complaints.push(String(error)));
  page.on('request', request => /^https?:/.test(request.url()) && complaints.push(request.url()));
  return page;
}

const around = html =>
  `<!doctype html><html lang="en"><title>still</title><main><h1>Still</h1>${html}</main></html>`;

/** The brightness of the image's background, and the number of its colours. */
const colours = image => {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  const context = canvas.getContext('2d');
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  const seen = new Set();
  for (let i = 0; i < data.length; i += 4) {
    seen.add(`${data[i]},${data[i + 1]},${data[i + 2]}`);
  }
  const at = 4 * (4 * canvas.width + 4);
  return { ground: data[at] + data[at + 1] + data[at + 2], count: seen.size };
};

/** Texts that exceed the image or overlap others, with the fonts of this machine. */
const misplaced = () => {
  const frame = document.querySelector('svg').getBoundingClientRect();
  const boxes = [...document.querySelectorAll('svg text')].map(text => ({
    text: text.textContent,
    ...text.getBoundingClientRect().toJSON()
  }));
  const outside = boxes.filter(
    box => box.left < frame.left || box.right > frame.right || box.bottom > frame.bottom
  );
  const over = boxes.filter((one, i) =>
    boxes
      .slice(i + 1)
      .some(
        other =>
          Math.min(one.right, other.right) - Math.max(one.left, other.left) > 1 &&
          Math.min(one.bottom, other.bottom) - Math.max(one.top, other.top) > 4
      )
  );
  return [...outside, ...over].map(box => box.text);
};

const grounds = {};
for (const scheme of ['light', 'dark']) {
  const page = await open(scheme);
  for (const [name, html] of Object.entries(pictures)) {
    await page.setContent(around(html));
    const image = page.locator('img');
    await image.evaluate(element => element.decode());
    assert.equal(await image.evaluate(element => element.naturalWidth), 760, name);
    const { ground, count } = await image.evaluate(colours);
    grounds[`${name} ${scheme}`] = ground;
    assert.ok(count > 20, `${name} in ${scheme} is an empty picture`);
    if (screenshots) {
      await page.screenshot({ path: path.join(screenshots, `still-${name}-${scheme}.png`), fullPage: true });
    }
    await references.compare(`still-${name}-${scheme}`, await image.screenshot(STILL));
    if (scheme === 'light') {
      const svg = atob((await image.getAttribute('src')).split(',')[1]);
      await page.setContent(around(Buffer.from(svg, 'latin1').toString('utf8')));
      assert.deepEqual(await page.evaluate(misplaced), [], name);
    }
  }
  await page.setContent(around(pictures.hostile));
  await page.locator('summary').first().click();
  assert.ok(await page.locator('pre').first().isVisible());
  assert.equal(await page.evaluate(() => globalThis.pwned), undefined);
  if (scheme === 'light') {
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => axe.run());
    assert.deepEqual(
      violations.map(each => each.id),
      []
    );
  }
  await page.close();
}
for (const name of Object.keys(pictures)) {
  const [light, dark] = [grounds[`${name} light`], grounds[`${name} dark`]];
  assert.ok(light > 700 && dark < 120, `${name}: ${light} in light, ${dark} in dark`);
}

for (const [name, html] of Object.entries(pages)) {
  const page = await open('light');
  await page.setContent(html);
  const image = page.locator('img[alt*="digits-x7k2p"]');
  await image.evaluate(element => element.decode());
  assert.ok((await image.boundingBox()).width > 500, name);
  assert.ok(await page.locator('summary').first().isVisible(), name);
  if (screenshots) {
    await page.screenshot({ path: path.join(screenshots, `still-in-${name}.png`) });
  }
}
assert.deepEqual(complaints, []);
assert.deepEqual(references.problems, []);
await browser.close();
