// The card in every state of a job: what it says, to whom, and that it leaves nothing behind.
import { assert, counted, everywhere, finish, legible, scenes, shot, view } from './harness.mjs';

await everywhere(Object.keys(scenes));

for (const theme of ['bare', 'bare-dark', 'vscode-dark']) {
  await view('failed', { theme }, async page => {
    await legible(page);
    await shot(page, `failed-${theme}`);
  });
}

await view('running', { theme: 'light' }, async page => {
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

await view('running', { theme: 'light' }, async page => {
  const tab = name => page.getByRole('tab', { name });
  await tab('Curves').focus();
  await page.keyboard.press('ArrowRight');
  assert.equal(await tab('Nodes').getAttribute('aria-selected'), 'true', 'arrows choose a tab');
  await page.keyboard.press('End');
  assert.equal(await tab('Logs').getAttribute('aria-selected'), 'true');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Logs');
  await page.getByRole('tabpanel', { name: 'Logs' }).waitFor();
});

await view('running', { theme: 'light' }, async page => {
  await page.evaluate(() => window.leave.forEach(end => end()));
  await counted(page.locator('.tj-card'), 0, 'leaves nothing');
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
  assert.equal(await page.getByRole('progressbar').first().getAttribute('aria-valuenow'), null);
});

await view('failed', { theme: 'light' }, async page => {
  assert.equal(await page.locator('.tj-traceback pre').isVisible(), false, 'folded');
  await page.getByText('Traceback of rank 3').click();
  assert.ok(await page.locator('.tj-traceback pre').isVisible());
  await shot(page, 'failed-traceback');
});

await finish();
