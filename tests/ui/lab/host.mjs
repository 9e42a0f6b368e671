// What Lab itself does with jobs: the menu of a row, which offers what the job's state allows, and its tab.
import { assert, begin, done, gate, scenario, shot, training } from './jupyter.mjs';

await scenario('a job is opened from the menu of its row', async open => {
  const page = await begin(open, 'hosted.ipynb', [training('hosted', gate('hosted'))]);
  await page.getByRole('tab', { name: 'Training jobs' }).click();
  const row = page.locator('.tj-sidebar [data-uid]', { hasText: /hosted-\w{5}/ });
  await row.click({ button: 'right' });
  await page.getByRole('menuitem', { name: 'Stop Training Job' }).waitFor();
  assert.equal(await page.getByRole('menuitem', { name: 'Resume Training Job' }).count(), 0);
  await shot(page, 'host-menu');
  await page.getByRole('menuitem', { name: 'Open Training Job…' }).click();
  const card = page.locator('.tj-tab').getByRole('region', { name: /^Training job hosted-/ });
  await card.waitFor();
});

await done();
