// The list of jobs: its texts, and the cards that it opens.
import {
  expectAxePasses,
  assert,
  expectCount,
  checkInAllThemes,
  finish,
  scenes,
  shot,
  shots,
  withScene
} from './harness.mjs';

await checkInAllThemes(Object.keys(scenes));

await withScene('panel', { theme: 'light' }, async page => {
  const entry = page.getByRole('button', { name: /^Running digits-x7k2p/ });
  await entry.focus();
  await page.keyboard.press('Enter');
  assert.deepEqual(await page.evaluate(() => window.sent), [
    { kind: 'ready' },
    { kind: 'open', job: 'uid-digits-x7k2p' }
  ]);
  assert.equal(await entry.getAttribute('aria-expanded'), 'true');
  await page.evaluate(() =>
    window.receive({
      kind: 'head',
      job: 'uid-digits-x7k2p',
      head: {
        ...{ uid: 'uid-digits-x7k2p', name: 'digits-x7k2p', namespace: 'default', place: 'this computer' },
        ...{ state: 'Running', runtime: 'torch-distributed', nodes: 8, procs_per_node: 1, ranks_running: 8 },
        ...{ reason: '', phases: [], created: Date.now() / 1000 - 60, finished: null, failure: null },
        ...{ nodes_done: 0, restarts: 0, reach: 'digits', warnings: [], checkpoint: null },
        ...{ step: 3, total: 4, eta: 20, progress: 0.75, metrics: [], now: Date.now() / 1000 }
      }
    })
  );
  await page.getByRole('region', { name: 'Training job digits-x7k2p' }).waitFor();
  await shots(page, 'panel-open');
  await entry.click();
  assert.deepEqual(await page.evaluate(() => window.sent.at(-1)), { kind: 'close', job: 'uid-digits-x7k2p' });
  await expectCount(page.getByRole('region', { name: 'Training job digits-x7k2p' }), 0);
});

/** How many pixels the page can be scrolled beyond the list. */
const beyond = page =>
  page.evaluate(() => {
    const { bottom } = document.getElementById('cell').getBoundingClientRect();
    const padding = parseFloat(getComputedStyle(document.body).paddingBottom);
    return document.documentElement.scrollHeight - Math.max(innerHeight, bottom + scrollY + padding);
  });

await withScene('panel-many', { theme: 'light' }, async page => {
  await expectCount(page.locator('.tj-row'), 14);
  await page.getByRole('button', { name: 'Show all 302' }).click();
  assert.ok((await beyond(page)) < 1, 'the page ends with the list');
  await shots(page, 'panel-many-all');
  await expectCount(page.locator('.tj-row'), 306);
  await page.locator('.tj-row').nth(300).focus();
});

const last = page => page.evaluate(() => window.sent.at(-1));
const actions = (page, name) => page.getByRole('group', { name: `Actions for ${name}` });
const opacity = locator => locator.evaluate(node => getComputedStyle(node).opacity);
const answered = (page, content) =>
  page.evaluate(
    more => window.receive({ kind: 'answer', id: window.sent.at(-1).id, ok: true, ...more }),
    content
  );

await withScene('panel', { theme: 'light' }, async page => {
  // The actions in a row, by pointer.
  const digits = actions(page, 'digits-x7k2p');
  assert.equal(await opacity(digits), '0', 'invisible');
  await page.getByText('digits-x7k2p').hover();
  assert.equal(await opacity(digits), '1');
  assert.equal(await opacity(actions(page, 'digits-m3q8d')), '0', 'of this row alone');
  await shots(page, 'panel-row-hovered');
  await digits.getByRole('button', { name: 'Stop' }).click();
  await shots(page, 'panel-row-asks');
  await page.getByRole('button', { name: 'Stop job' }).click();
  const { what, job } = await last(page);
  assert.deepEqual([what, job], ['stop', 'uid-digits-x7k2p']);
  await digits.getByRole('button', { name: 'Stopping…' }).press('Enter');
  assert.equal(await page.evaluate(() => window.sent.length), 2, 'once');
  await answered(page, { ok: false, error: 'the cluster does not answer' });
  await page.getByText('Not stopped: the cluster does not answer').waitFor();
  await shot(page, 'panel-row-refused');

  await page.getByText('baseline-k2v7s').hover();
  await actions(page, 'baseline-k2v7s').getByRole('button', { name: 'Rerun' }).click();
  await answered(page, { uid: 'again', name: 'baseline-again', differences: [] });
  await page.waitForFunction(() => window.sent.at(-1).kind === 'open');
  assert.deepEqual(await last(page), { kind: 'open', job: 'again' });
});

await withScene('panel', { theme: 'dark', width: 400 }, async page => {
  // By keyboard.
  const row = page.getByRole('button', { name: /^Stopped nightly-0kq3z/ });
  await row.focus();
  const nightly = actions(page, 'nightly-0kq3z');
  assert.equal(await opacity(nightly), '1');
  await shot(page, 'panel-row-focused-dark-400');
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Resume');
  for (const key of ['Tab', 'Tab', 'Enter']) {
    await page.keyboard.press(key);
  }
  const question = page.getByRole('group', { name: 'Delete it with its logs and curves?' });
  await question.waitFor();
  assert.equal(
    await page.evaluate(() => document.activeElement.textContent),
    'Keep it',
    'the safe choice is focused'
  );
  await page.keyboard.press('Escape');
  await expectCount(question, 0);
  assert.equal(
    await page.evaluate(() => document.activeElement.textContent),
    'Resume',
    'the focus stays in the row'
  );
  assert.equal(await page.evaluate(() => window.sent.length), 1, 'nothing was sent');
  await expectAxePasses(page);
});

await finish();
