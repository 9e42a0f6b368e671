// Curves: charts with a shared range. Zoomed, smoothed, by rank, beside earlier jobs, as table and files.
import { readFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';

import {
  expectAxePasses,
  assert,
  expectCount,
  checkInAllThemes,
  finish,
  scenes,
  shot,
  shots,
  themes,
  withScene
} from './harness.mjs';

const charts = page => page.getByRole('slider', { name: / at step / });
const loss = page => page.getByRole('slider', { name: /^loss: / });
const tool = (page, name) =>
  page.getByRole('group', { name: 'Curves', exact: true }).getByRole('button', { name, exact: true });
const choose = (page, label, value) => page.getByRole('combobox', { name: label }).selectOption(value);
const drawn = chart => chart.locator('canvas').evaluate(canvas => canvas.toDataURL());
const requestsOf = (page, name) =>
  page.evaluate(kind => window.sent.filter(each => each.kind === 'ask' && each.what === kind), name);
/** Sets the answer to a request to the recorded answer of another name. */
const answer = (page, request, name) =>
  page.evaluate(([kind, other]) => (window.answers[kind] = window.answers[other]), [request, name]);

/** Waits until the chart's picture differs from `before`. */
async function waitForChange(chart, before) {
  for (const end = Date.now() + 5000; Date.now() < end;) {
    if ((await drawn(chart)) !== before) {
      return;
    }
  }
  assert.fail('the chart did not change');
}

/** Drags across a chart from one share of its width to another. */
async function drag(page, chart, from, to, key) {
  const { x, y, width, height } = await chart.locator('.u-over').boundingBox();
  await page.mouse.move(x + from * width, y + height / 2);
  if (key) {
    await page.keyboard.down(key);
  }
  await page.mouse.down();
  await page.mouse.move(x + to * width, y + height / 2, { steps: 4 });
  await page.mouse.up();
  if (key) {
    await page.keyboard.up(key);
  }
}

const tools = page => page.getByRole('button', { name: 'Tools', exact: true });
/** Runs `body` with a page of a scene whose tools are open. */
const withTools = (name, options, body) =>
  withScene(name, options, async page => {
    await tools(page).click();
    await body(page);
  });

await checkInAllThemes(['compared', 'restarted', 'many', 'first-points'], {
  label: '-curves'
});

await checkInAllThemes(['compared'], {
  label: '-everything',
  prepare: async page => {
    await tools(page).click();
    await tool(page, 'Compare').click();
    await page.getByRole('checkbox', { name: /^digits-m3q8d/ }).check();
    await page.getByText('A digits-m3q8d').waitFor();
    await answer(page, 'pin', 'pin hostile');
    await page.getByRole('checkbox').nth(1).check();
    await page.locator('.tj-pins > span').nth(1).waitFor();
    await answer(page, 'window', 'window some');
    await choose(page, 'Ranks', 'some');
    await page.getByRole('textbox', { name: /^Ranks/ }).fill('0, 3, 5');
    await page.getByText('single ranks').first().waitFor();
    await page.getByRole('slider', { name: 'Smooth' }).fill('5');
    await loss(page).hover();
    await page
      .getByText(/^rank 0 .* · rank 3 .* · rank 5 .* · A .* · B /)
      .first()
      .waitFor();
  }
});

await withScene('compared', { theme: 'light' }, async page => {
  await expectCount(tool(page, 'Compare'), 0, 'the tools are closed');
  assert.equal(await tools(page).getAttribute('aria-expanded'), 'false');
  await drag(page, loss(page), 0.25, 0.5);
  await page.getByText(/^steps [\d,]+ to [\d,]+$/).waitFor();
  const reset = page.getByRole('button', { name: 'Reset', exact: true });
  await reset.click();
  await reset.waitFor({ state: 'detached' });
  await tools(page).press('Enter');
  await tool(page, 'Compare').waitFor();
  assert.equal(await tools(page).getAttribute('aria-expanded'), 'true');
});

await withTools('compared', { theme: 'light' }, async page => {
  await expectCount(charts(page), 2, 'every metric at once');
  await loss(page).hover();
  await page
    .getByText(/^step 1,\d+ · 0\.\d+ – /)
    .first()
    .waitFor();
  await expectCount(page.getByText(/^step 1,\d+ · 0\.\d+ – /), 2, 'all charts share the crosshair');
  await page.mouse.move(1, 1);
  await page.getByText('mean and range of 8 ranks').first().waitFor();
});

await withTools('compared', { theme: 'light' }, async page => {
  // Zooming in shows every step, in all charts; the coarse curve is shown until these have arrived.
  const before = await drawn(loss(page));
  await drag(page, loss(page), 0.3, 0.4);
  await waitForChange(loss(page), before);
  await page.waitForFunction(() => window.sent.filter(each => each.what === 'window').length >= 2);
  const requests = await requestsOf(page, 'window');
  assert.deepEqual(new Set(requests.map(each => each.name)), new Set(['loss', 'accuracy']));
  const { start, end, ranks } = requests[0];
  assert.ok(start > 900 && end < 1600 && end > start && ranks === null, JSON.stringify(requests[0]));
  await shot(page, 'curves-zoomed');
  await drag(page, loss(page), 0.6, 0.4, 'Shift');
  await page.waitForFunction(
    was => window.sent.filter(each => each.what === 'window').at(-1).start > was,
    start
  );
  await loss(page).locator('.u-over').dblclick();
  await page.locator('button[disabled]').filter({ hasText: 'All' }).waitFor();
});

await withTools('compared', { theme: 'light' }, async page => {
  const before = await drawn(loss(page));
  await loss(page).hover();
  await page.mouse.wheel(0, -200);
  assert.equal(await tool(page, 'Zoom out').isDisabled(), true, 'the wheel alone scrolls the page');
  await page.keyboard.down('Control');
  await page.mouse.wheel(0, -200);
  await page.keyboard.up('Control');
  await waitForChange(loss(page), before);
  await tool(page, 'Zoom out').click();
  await tool(page, 'Zoom in').click();
  await tool(page, 'Later steps').click();
  await tool(page, 'Show all steps').click();
  assert.ok(await tool(page, 'Earlier steps').isDisabled());
});

await withTools('compared', { theme: 'dark', reducedMotion: 'reduce' }, async page => {
  // By keyboard: the values at the crosshair are the value of a slider, so that screen readers read them.
  const chart = loss(page);
  await chart.focus();
  assert.match(await chart.getAttribute('aria-valuetext'), /^loss: 2\.\d+ at step 0, /);
  await page.keyboard.press('ArrowRight');
  assert.match(await chart.getAttribute('aria-valuetext'), /^2\.\d+, step 0 · /);
  await page.keyboard.press('End');
  assert.match(await chart.getAttribute('aria-valuetext'), /step 2,592 · /);
  await page.keyboard.press('PageDown');
  await page.keyboard.press('+');
  await page.keyboard.press('Shift+ArrowLeft');
  assert.equal(await tool(page, 'Zoom out').isDisabled(), false);
  await shot(page, 'curves-keyboard-dark');
  await page.keyboard.press('0');
  assert.equal(await tool(page, 'Zoom out').isDisabled(), true);
  await page.keyboard.press('Home');
  await page.keyboard.press('Escape');
  assert.match(await chart.getAttribute('aria-valuetext'), /^loss: /);
});

await withTools('compared', { theme: 'light' }, async page => {
  await answer(page, 'window', 'window all');
  await choose(page, 'Ranks', 'all');
  await page.getByText('each of 8 ranks').first().waitFor();
  await loss(page).hover();
  await page
    .getByText(/^step 1,\d+ · 0\.\d+ \(rank \d\) – 0\.\d+ \(rank \d\)$/)
    .first()
    .waitFor();
  await shot(page, 'curves-every-rank');
});

await withTools('compared', { theme: 'dark' }, async page => {
  for (const [label, value] of [
    ['Y axis', 'log'],
    ['X axis', 'log'],
    ['X axis', 'time']
  ]) {
    const before = await drawn(loss(page));
    await choose(page, label, value);
    await waitForChange(loss(page), before);
    await shot(page, `curves-${label}-${value}-dark`.toLowerCase());
  }
  await loss(page).hover();
  await page
    .getByText(/^step 1,\d+, \d+:\d\d · /)
    .first()
    .waitFor();
});

for (const name of ['one-point', 'one-point-of-total']) {
  await withScene(name, { theme: 'light' }, async page => {
    // The dot is fully visible.
    const [width, height] = await loss(page)
      .locator('canvas')
      .evaluate(canvas => {
        const { data, width } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
        const [xs, ys] = [[], []];
        for (let i = 0; i < data.length; i += 4) {
          if (data[i + 3] > 200 && data[i + 2] - data[i] > 60) {
            xs.push((i / 4) % width);
            ys.push(Math.floor(i / 4 / width));
          }
        }
        return [xs, ys].map(all => (Math.max(...all) - Math.min(...all) + 1) / devicePixelRatio);
      });
    assert.ok(width >= 6 && width <= 10 && height >= 6 && height <= 10, `${width} × ${height}`);
    await shots(page, `curves-${name}`);
  });
}

await withScene('no-point', { theme: 'light' }, async page => {
  await page.getByText(/^No metrics yet\. Curves appear when the job calls report\(/).waitFor();
  await shots(page, 'curves-no-point');
});
await withScene('no-point-complete', { theme: 'light' }, async page => {
  await page.getByText(/^This job reported no metrics\./).waitFor();
  await expectAxePasses(page);
});

await withScene('many-earlier', { theme: 'light', width: 400 }, async page => {
  await tools(page).click();
  const rows = await page.getByRole('group', { name: 'Curves', exact: true }).evaluate(group => {
    const parts = [...group.querySelectorAll('.tj-tool')];
    return new Set(parts.map(part => Math.round(part.getBoundingClientRect().top / 8))).size;
  });
  assert.ok(rows <= 2, `${rows} rows of tools`);
  await shots(page, 'curves-tools-400');
  await tool(page, 'Compare').click();
  const boxes = page.getByRole('checkbox');
  await expectCount(boxes, 35);
  const filter = page.getByRole('searchbox', { name: 'Filter: Earlier jobs to compare with' });
  await filter.fill('digits');
  await expectCount(boxes, 1);
  await boxes.first().check();
  await page.getByText('A digits-m3q8d').waitFor();
  await page
    .getByText(/^A 0\.\d+$/)
    .first()
    .waitFor();
  await filter.fill('TRIAL-07');
  await expectCount(boxes, 2, 'compared jobs stay in the list');
  await filter.fill('nothing of the kind');
  await expectCount(boxes, 1);
  await expectAxePasses(page);
  await shots(page, 'curves-compare-filtered-400');
});

await withTools('restarted', { theme: 'light' }, async page => {
  const gaps = 'inf at step 200, nan at steps 400 to 596';
  const chart = page.getByRole('slider', { name: new RegExp(`${gaps}, restarted at step 900$`) });
  await chart.waitFor();
  await page.locator('.tj-plot-words', { hasText: gaps }).waitFor();
  await chart.focus();
  await page.keyboard.press('Home');
  for (let i = 0; i < 50; i++) {
    await page.keyboard.press('ArrowRight');
  }
  await page.locator('.tj-plot-value', { hasText: /^inf$/ }).waitFor();
  await page.locator('.tj-plot-words', { hasText: 'step 200' }).waitFor();
});

await withTools('many', { theme: 'light' }, async page => {
  await expectCount(charts(page), 6, 'six charts by default');
  await tool(page, 'Metrics 6/12').click();
  await page.getByRole('checkbox', { name: 'grad_norm/layer8' }).check();
  await page.getByRole('checkbox', { name: 'loss', exact: true }).uncheck();
  await page.getByRole('slider', { name: /^grad_norm\/layer8: / }).waitFor();
  await expectCount(loss(page), 0);
  await expectAxePasses(page);
  await shot(page, 'curves-chosen');
});

await withTools('compared', { theme: 'light' }, async page => {
  await tool(page, 'Table').click();
  const table = page.getByRole('region', { name: 'Data of loss' });
  await expectCount(table.locator('tbody tr'), 100);
  assert.deepEqual(await table.locator('thead th').allTextContents(), [
    'step',
    'mean',
    'lowest rank',
    'highest rank'
  ]);
  await expectAxePasses(page);
  await shot(page, 'curves-table');
});

await withTools('compared', { theme: 'light' }, async page => {
  let download = page.waitForEvent('download');
  await tool(page, 'CSV').click();
  const csv = await (await download).path().then(file => readFile(file, 'utf8'));
  const [, [sent]] = scenes.compared.answers.csv;
  assert.equal(csv, gunzipSync(Buffer.from(sent, 'base64')).toString());
  assert.match(csv, /^rank,time,step,loss,accuracy\r\n0,1000000000\.000,0,/);
  await page.getByText('Saved 2,600 rows.').waitFor();
  await page.evaluate(() => (window.answers.csv = undefined));
  download = page.waitForEvent('download');
  await tool(page, 'PNG').click();
  const png = await (await download).path().then(file => readFile(file));
  assert.equal(png.subarray(1, 4).toString(), 'PNG');
  assert.ok(png.length > 10_000, 'not an empty picture');
  assert.equal((await download).suggestedFilename(), 'digits-x7k2p.png');
});

await withTools('compared', { theme: 'light' }, async page => {
  const before = await drawn(loss(page));
  await page.addStyleTag({ content: themes.dark });
  await page.evaluate(() => (document.body.dataset.jpThemeLight = 'false'));
  await waitForChange(loss(page), before);
});

await finish();
