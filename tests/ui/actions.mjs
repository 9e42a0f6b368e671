// The actions of a job, by mouse and by keyboard: confirmation, success, refusal, late answers.
import { assert, expectCount, checkInAllThemes, finish, shot, shots, withScene } from './harness.mjs';

const last = page => page.evaluate(() => window.sent.at(-1));
const focused = page => page.evaluate(() => document.activeElement.textContent);
const press = (page, ...keys) =>
  keys.reduce((before, key) => before.then(() => page.keyboard.press(key)), Promise.resolve());
const menu = page => page.getByRole('button', { name: /^More actions/ });

await checkInAllThemes(['running'], {
  label: '-asks',
  prepare: page => page.getByRole('button', { name: 'Stop', exact: true }).click()
});
await checkInAllThemes(['running', 'failed'], { label: '-menu', prepare: page => menu(page).click() });

for (const width of [300, 400, 600, 1400]) {
  await withScene('running', { theme: 'light', width }, async page => {
    await page.getByRole('button', { name: 'Stop', exact: true }).click();
    const [question, name, head] = await Promise.all(
      ['.tj-question', '.tj-name', '.tj-head'].map(each => page.locator(each).boundingBox())
    );
    assert.ok(question.y >= name.y + name.height, `a question has lines of its own at ${width}`);
    assert.equal(question.width, head.width - 24, `all of them at ${width}`);
    const [yes, no] = await Promise.all(
      ['Stop job', 'Keep running'].map(each => page.getByRole('button', { name: each }).boundingBox())
    );
    assert.equal(yes.y, no.y, `its answers are side by side at ${width}`);
    await shot(page, `running-asks-in-${width}`);
  });
}

for (const name of ['running', 'failed']) {
  for (const width of [320, 400, 860]) {
    await withScene(name, { theme: 'light', width }, async page => {
      await menu(page).click();
      const items = page.getByRole('menu');
      const [box, cell] = [await items.boundingBox(), await page.locator('.tj-card').boundingBox()];
      assert.ok(box.x >= cell.x && box.x + box.width <= cell.x + cell.width, `${name}: cut off at ${width}`);
      assert.ok(box.y + box.height <= cell.y + cell.height, `${name}: cut off below at ${width}`);
      await shots(page, `${name}-menu-in-${width}`);
    });
  }
}

const details = async page => {
  await menu(page).click();
  await page.getByRole('menuitem', { name: 'Details' }).click();
  await page.getByRole('region', { name: 'Details' }).waitFor();
};
await checkInAllThemes(['running'], { label: '-details', prepare: details });

await checkInAllThemes(['queued-again']);

const earlier = page => page.getByRole('region', { name: 'Earlier job digits-m3q8d' });

await withScene('queued-again', { theme: 'light' }, async page => {
  await earlier(page).getByText('is still running and keeps its resources').waitFor();
  await earlier(page).getByRole('button', { name: 'Stop it' }).click();
  const { kind, what, job } = await last(page);
  assert.deepEqual([kind, what, job], ['ask', 'stop', 'uid-before'], 'the earlier one');
  await earlier(page).getByText('Stopping digits-m3q8d…').waitFor();
  await page.evaluate(() => window.receive({ kind: 'answer', id: window.sent.at(-1).id, ok: true }));
  await earlier(page).getByText('digits-m3q8d was stopped').waitFor();
});

await withScene('queued-again', { theme: 'dark' }, async page => {
  await earlier(page).getByRole('button', { name: 'Keep both' }).click();
  await expectCount(earlier(page), 0);
  assert.equal(await page.evaluate(() => window.sent.length), 1, 'no request is sent');
});

await withScene('running', { theme: 'light' }, async page => {
  await menu(page).focus();
  await press(page, 'Enter', 'd', 'Enter');
  const panel = page.getByRole('region', { name: 'Details' });
  await panel.waitFor();
  assert.equal(await page.evaluate(() => document.activeElement.getAttribute('aria-label')), 'Details');
  await expectCount(panel.getByRole('cell', { name: 'import numpy as np' }), 1);
  await press(page, 'Tab');
  assert.equal(await focused(page), 'Close', 'the next key stop closes it');
  await press(page, 'Enter');
  await expectCount(panel, 0);
  assert.equal(await focused(page), '⋯', 'the focus comes back');
});

await withScene('running', { theme: 'light' }, async page => {
  await page.getByRole('button', { name: 'Stop', exact: true }).focus();
  await press(page, 'Enter');
  assert.equal(await focused(page), 'Keep running', 'asks for confirmation, with the safe choice focused');
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
    window.receive({
      kind: 'answer',
      id: window.sent.at(-1).id,
      ok: false,
      error: 'the cluster does not answer'
    })
  );
  await page.getByText('Not stopped: the cluster does not answer').waitFor();
  await expectCount(page.getByText('a kernel that is busy'), 0);
  await shot(page, 'running-refused');
});

await withScene('running', { theme: 'light' }, async page => {
  await menu(page).focus();
  await press(page, 'ArrowDown');
  assert.equal(await focused(page), 'Rerun', 'the menu opens on its first item');
  await press(page, 'ArrowUp');
  assert.equal(await focused(page), 'Delete…', 'arrows wrap around; the irreversible action is last');
  await press(page, 'd');
  assert.equal(await focused(page), 'Details', 'letters find items');
  await press(page, 'd');
  assert.equal(await focused(page), 'Delete…');
  await press(page, 'Enter');
  assert.equal(await focused(page), 'Keep it', 'deleting asks for confirmation');
  await press(page, 'Escape');
  await menu(page).focus();
  await press(page, 'Enter', 'Escape');
  assert.equal(
    await page.evaluate(() => document.activeElement.getAttribute('aria-haspopup')),
    'menu',
    'the focus comes back to the button'
  );
  await expectCount(page.getByRole('menu'), 0);
  await menu(page).click();
  await page.mouse.click(4, 4);
  await expectCount(page.getByRole('menu'), 0, 'a click elsewhere closes it');
});

await withScene(
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
    await expectCount(box, 0);
  }
);

await withScene(
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
      more => window.receive({ kind: 'head', job: 'again', head: { ...window.model.get('state'), ...more } }),
      head
    );
    const card = page.getByRole('region', { name: 'Training job digits-again' });
    await card.waitFor();
    await shot(page, 'failed-rerun');
    await card.getByRole('button', { name: /^More actions/ }).click();
    await page.getByRole('menuitem', { name: 'Close' }).click();
    await expectCount(card, 0);
    assert.deepEqual(await last(page), { kind: 'close', job: 'again' });
  }
);

await finish();
