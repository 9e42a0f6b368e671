// The list of jobs: what it says, and the cards that it opens.
import { assert, counted, everywhere, finish, scenes, shots, view } from './harness.mjs';

await everywhere(Object.keys(scenes));

await view('panel', { theme: 'light' }, async page => {
  const entry = page.getByRole('button', { name: /^Running digits-x7k2p/ });
  await entry.focus();
  await page.keyboard.press('Enter');
  assert.deepEqual(await page.evaluate(() => window.sent), [
    { kind: 'ready' },
    { kind: 'open', job: 'uid-digits-x7k2p' }
  ]);
  assert.equal(await entry.getAttribute('aria-expanded'), 'true');
  await page.evaluate(() =>
    window.say({
      kind: 'head',
      job: 'uid-digits-x7k2p',
      head: {
        ...{ uid: 'uid-digits-x7k2p', name: 'digits-x7k2p', namespace: 'default', place: 'this computer' },
        ...{ state: 'Running', runtime: 'torch-distributed', nodes: 8, procs_per_node: 1, ranks_running: 8 },
        ...{ reason: '', phases: [], created: Date.now() / 1000 - 60, finished: null, failure: null },
        ...{ step: 3, total: 4, eta: 20, progress: 0.75, metrics: [], now: Date.now() / 1000 }
      }
    })
  );
  await page.getByRole('region', { name: 'Training job digits-x7k2p' }).waitFor();
  await shots(page, 'panel-open');
  await entry.click();
  assert.deepEqual(await page.evaluate(() => window.sent.at(-1)), { kind: 'close', job: 'uid-digits-x7k2p' });
  await counted(page.getByRole('region', { name: 'Training job digits-x7k2p' }), 0);
});

await view('panel-many', { theme: 'light' }, async page => {
  await page.getByRole('button', { name: 'Show all 302' }).click();
  await counted(page.locator('.tj-row'), 306);
  await page.locator('.tj-row').nth(300).focus();
});

await finish();
