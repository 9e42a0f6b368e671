// Curves: chosen, pointed at, read as a table, coloured by the theme.
import { assert, finish, shot, view, wear } from './harness.mjs';

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
  const drawn = () => page.locator('.tj-chart canvas').evaluate(canvas => canvas.toDataURL());
  await page.locator('.tj-chart canvas').waitFor();
  const before = await drawn();
  await wear(page, 'dark');
  await page.waitForFunction(was => document.querySelector('.tj-chart canvas').toDataURL() !== was, before);
});

await view('running-no-total', { theme: 'dark' }, async page => {
  await page.getByRole('combobox', { name: 'Metric' }).selectOption('grad_norm/layer3');
  assert.match(await page.getByRole('img').getAttribute('aria-label'), /^grad_norm\/layer3: /);
});

await finish();
