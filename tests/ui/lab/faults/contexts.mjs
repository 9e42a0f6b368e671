// Each context of a kubeconfig is chosen in the sidebar: it says what it may not see, or why there is nothing to see.
import { assert, done, more, open as openNotebook, say, scenario, shot, write } from '../jupyter.mjs';

const panel = page => page.locator('.tj-sidebar');
const choose = (page, name) => panel(page).getByLabel('Cluster').selectOption(name);

await scenario('every context says what is wrong, and none stands in the way of another', async open => {
  const page = await open(write('contexts.ipynb', ['1 + 1']), { expected: /status of (4|5)\d\d/ });
  await page.getByRole('tab', { name: 'Training jobs' }).click();
  for (const name of ['reader', 'expired', 'helper-fails', 'helper-missing', 'nobody', more.hostile]) {
    await choose(page, name);
    await page.waitForTimeout(6000);
    await shot(page, `faults-${name.replace(/\W/g, '')}`);
    console.error(name, '=>', await panel(page).innerText());
  }
  await say('every context');
  await page.waitForTimeout(17000);
  await shot(page, `faults-broken`);
  console.error(await panel(page).innerText());
  await say('a broken kubeconfig');
  assert.equal(await page.evaluate(() => window.pwned), undefined);
});

await done();
process.exit();
