// What can be done to a job, by mouse and by keyboard: asked once, done, refused, answered late.
import { assert, counted, everywhere, finish, shot, view } from './harness.mjs';

const last = page => page.evaluate(() => window.sent.at(-1));
const focused = page => page.evaluate(() => document.activeElement.textContent);
const press = (page, ...keys) =>
  keys.reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve());
const menu = page => page.getByRole('button', { name: /^More actions/ });

await everywhere(['running'], {
  label: '-asks',
  prepare: page => page.getByRole('button', { name: 'Stop', exact: true }).click()
});
await everywhere(['running', 'failed'], { label: '-menu', prepare: page => menu(page).click() });

const details = async page => {
  await menu(page).click();
  await page.getByRole('menuitem', { name: 'Details' }).click();
  await page.getByRole('region', { name: 'Details' }).waitFor();
};
await everywhere(['running'], { label: '-details', prepare: details });

await view('running', { theme: 'light' }, async page => {
  await menu(page).focus();
  await press(page, 'Enter', 'd', 'd', 'Enter');
  const panel = page.getByRole('region', { name: 'Details' });
  await panel.waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute('aria-label')), 'Details');
  await counted(panel.getByRole('cell', { name: 'import numpy as np' }), 1);
  await press(page, 'Tab');
  assert.equal(await focused(page), 'Close', 'the next key stop closes it');
  await press(page, 'Enter');
  await counted(panel, 0);
  assert.equal(await focused(page), '⋯', 'the focus comes back');
});

await view('running', { theme: 'light' }, async page => {
  await page.getByRole('button', { name: 'Stop', exact: true }).focus();
  await press(page, 'Enter');
  assert.equal(await focused(page), 'Keep running', 'asks, on the harmless side');
  await press(page, 'Escape');
  assert.equal(await focused(page), 'Stop', 'the focus comes back');
  await press(page, 'Enter', 'Shift+Tab', 'Enter');
  const { kind, what, job } = await last(page);
  assert.deepEqual([kind, what, job], ['ask', 'stop', 'uid-digits-x7k2p']);
  assert.equal(await focused(page), 'Stopping…', 'the focus stays');
  await press(page, 'Enter');
  assert.equal(await page.evaluate(() => window.sent.length), 2, 'once');
  await page.getByText('a kernel that is busy').waitFor();
  await shot(page, 'running-busy');
  await page.evaluate(() =>
    window.say({ kind: 'answer', id: window.sent.at(-1).id, ok: false, error: 'the cluster does not answer' })
  );
  await page.getByText('Not stopped: the cluster does not answer').waitFor();
  await counted(page.getByText('a kernel that is busy'), 0);
  await shot(page, 'running-refused');
});

await view('running', { theme: 'light' }, async page => {
  await menu(page).focus();
  await press(page, 'ArrowDown');
  assert.equal(await focused(page), 'Rerun', 'the menu opens on its first item');
  await press(page, 'ArrowUp');
  assert.equal(await focused(page), 'Copy as SDK code', 'arrows go round');
  await press(page, 'd');
  assert.equal(await focused(page), 'Delete…', 'letters find items');
  await press(page, 'Enter');
  assert.equal(await focused(page), 'Keep it', 'asks before it deletes');
  await press(page, 'Escape');
  await menu(page).focus();
  await press(page, 'Enter', 'Escape');
  assert.equal(
    await page.evaluate(() => document.activeElement.getAttribute('aria-haspopup')),
    'menu',
    'the focus comes back to the button'
  );
  await counted(page.getByRole('menu'), 0);
  await menu(page).click();
  await page.mouse.click(4, 4);
  await counted(page.getByRole('menu'), 0, 'a click elsewhere closes it');
});

await view(
  'failed',
  { theme: 'light', answers: { text: [{ text: 'kind: TrainJob\n' }, []] } },
  async page => {
    await menu(page).click();
    await page.getByRole('menuitem', { name: 'Copy as YAML' }).click();
    assert.equal((await last(page)).form, 'yaml');
    const box = page.getByRole('textbox', { name: /clipboard/ });
    await box.waitFor();
    assert.equal(await box.inputValue(), 'kind: TrainJob\n');
    assert.equal(await box.evaluate(node => node.selectionEnd - node.selectionStart), 15, 'selected');
    await shot(page, 'failed-copy-by-hand');
    await press(page, 'Escape');
    await counted(box, 0);
  }
);

await view(
  'failed',
  { theme: 'light', answers: { rerun: [{ uid: 'again', name: 'digits-again', differences: [] }, []] } },
  async page => {
    await page.getByRole('button', { name: 'Rerun', exact: true }).click();
    await page.waitForFunction(() => window.sent.some(message => message.kind === 'open'));
    assert.deepEqual(await last(page), { kind: 'open', job: 'again' });
    const head = {
      uid: 'again',
      name: 'digits-again',
      state: 'Queued',
      finished: null,
      failure: null,
      phases: []
    };
    await page.evaluate(
      more => window.say({ kind: 'head', job: 'again', head: { ...window.model.get('state'), ...more } }),
      head
    );
    const card = page.getByRole('region', { name: 'Training job digits-again' });
    await card.waitFor();
    await shot(page, 'failed-rerun');
    await card.getByRole('button', { name: /^More actions/ }).click();
    await page.getByRole('menuitem', { name: 'Close' }).click();
    await counted(card, 0);
    assert.deepEqual(await last(page), { kind: 'close', job: 'again' });
  }
);

await finish();
