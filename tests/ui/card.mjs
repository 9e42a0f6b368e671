// The card in every state of a job: its texts, its accessibility, and its removal.
import {
  assert,
  expectCount,
  checkInAllThemes,
  finish,
  expectReadableContrast,
  NARROW,
  scenes,
  shot,
  withScene,
  WIDE
} from './harness.mjs';

await checkInAllThemes(Object.keys(scenes));

for (const theme of ['bare', 'bare-dark', 'vscode-dark']) {
  await withScene('failed', { theme }, async page => {
    await expectReadableContrast(page);
    await shot(page, `failed-${theme}`);
  });
}

await withScene('running', { theme: 'light' }, async page => {
  assert.deepEqual(
    await page.evaluate(() => window.sent),
    [{ kind: 'ready' }],
    'asks for everything when rendered'
  );
  const bar = page.getByRole('progressbar', { name: 'Progress of digits-x7k2p' });
  assert.equal(await bar.getAttribute('aria-valuenow'), '72');
  assert.match(await bar.getAttribute('aria-valuetext'), /^Running, 72 %, 0:41 left, step 2,592 of 3,600$/);
  assert.match(await page.locator('[aria-live]').textContent(), /Running, 72 %/);
});

// The handle's expression is shown in full next to the facts, or not at all.
for (const width of [WIDE, NARROW]) {
  await withScene('running', { theme: 'light', width }, async page => {
    const facts = page.locator('.tj-facts');
    const place = facts.getByText('8 nodes, 1 process each · torch-distributed · this computer');
    assert.ok(await place.evaluate(node => node.scrollWidth <= node.clientWidth), `cut off at ${width}`);
    const [handle, box] = [await facts.locator('code').boundingBox(), await facts.boundingBox()];
    const isVisible = handle.y < box.y + box.height;
    assert.ok(
      !isVisible || handle.x + handle.width <= box.x + box.width,
      `the handle is cut off at ${width}`
    );
  });
}

// At every width, the menu is at the end of the head's first line, and the name has room.
for (const name of ['running', 'failed', 'hostile']) {
  for (const width of [240, 300, 400, 600, WIDE]) {
    await withScene(name, { theme: 'light', width }, async page => {
      const head = page.locator('.tj-head');
      const box = selector => head.locator(selector).boundingBox();
      const [state, menu, all] = [await box('.tj-state'), await box('.tj-menu'), await head.boundingBox()];
      const middle = ({ y, height }) => y + height / 2;
      assert.ok(Math.abs(middle(state) - middle(menu)) <= 1, `the menu is beside the state at ${width}`);
      assert.equal(Math.round(all.x + all.width - menu.x - menu.width), 12, `at the right at ${width}`);
      assert.ok((await box('.tj-name')).width >= 80, `the name at ${width}`);
      const wide = () => document.documentElement.scrollWidth - document.documentElement.clientWidth;
      assert.equal(await page.evaluate(wide), 0, `scrolls sideways at ${width}`);
      await shot(page, `${name}-in-${width}`);
    });
  }
}
await withScene('running', { theme: 'light', width: 100 }, async page => {
  assert.ok(
    (await page.locator('.tj-card').boundingBox()).width >= 220,
    'a very narrow page scrolls sideways'
  );
});

await withScene('running', { theme: 'light' }, async page => {
  const tab = name => page.getByRole('tab', { name });
  await tab('Curves').focus();
  await page.keyboard.press('ArrowRight');
  assert.equal(await tab('Nodes').getAttribute('aria-selected'), 'true', 'arrows choose a tab');
  await page.keyboard.press('End');
  assert.equal(await tab('Logs').getAttribute('aria-selected'), 'true');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Logs');
  await page.getByRole('tabpanel', { name: 'Logs' }).waitFor();
});

await withScene('running', { theme: 'light' }, async page => {
  await page.evaluate(() => window.cleanups.forEach(end => end()));
  await expectCount(page.locator('.tj-card'), 0, 'the card is removed');
  assert.deepEqual(
    await page.evaluate(() => [...window.handlers.values()].flat().length),
    0,
    'all listeners are removed'
  );
});

await withScene('running-no-total', { theme: 'dark', reducedMotion: 'reduce' }, async page => {
  assert.equal(
    await page.locator('.tj-progress-done').evaluate(node => getComputedStyle(node).animationName),
    'none'
  );
  assert.equal(await page.getByRole('progressbar').first().getAttribute('aria-valuenow'), null);
});

await withScene('failed', { theme: 'light' }, async page => {
  assert.equal(await page.locator('.tj-traceback pre').isVisible(), false, 'collapsed');
  await page.getByText('Traceback of rank 3').click();
  assert.ok(await page.locator('.tj-traceback pre').isVisible());
  await shot(page, 'failed-traceback');
});

await finish();
