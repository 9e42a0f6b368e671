// The sidebar: jobs without a kernel.
import { begin, done, gate, scenario, shot, shutdown, sidebar, stop, training, until } from './jupyter.mjs';

await scenario('a job is watched and stopped in a tab, whose notebook has no kernel any more', async open => {
  const hold = gate('steered');
  const page = await begin(open, 'steered.ipynb', [training('steered', hold)]);
  const jobs = await sidebar(page);
  const row = jobs.locator('.tj-row', { hasText: /steered-\w{5}/ });
  await row.waitFor();
  await shutdown(page);
  await row.click();
  const tab = page.locator('.tj-tab');
  const card = tab.getByRole('region', { name: /^Training job steered-/ });
  await card.waitFor();
  await tab.locator('[data-state=Running] canvas').first().waitFor();
  await shot(page, 'sidebar');
  await stop(card);
  await tab.locator('[data-state=Stopped]').waitFor();
  await jobs.getByRole('heading', { name: 'Stopped' }).waitFor();
  await page.getByRole('tab', { name: 'steered.ipynb' }).click();
  await until(page, 1, 'Stopped'); // The cell as well, without its kernel.
});

await done();
