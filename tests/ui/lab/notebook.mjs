// The same in Notebook 7, in the dark: watched to the end, in a notebook whose kernel knows nothing of it any more, too.
import {
  attended,
  begin,
  done,
  gate,
  restart,
  saveAs,
  scenario,
  shot,
  stop,
  training,
  unattended,
  until
} from './jupyter.mjs';

await scenario('live with its kernel and without, in Notebook 7', async open => {
  const hold = gate('seven');
  const name = 'seven.ipynb';
  const page = await begin(open, name, [training('seven', hold)], {
    host: 'notebook',
    theme: 'dark'
  });
  await until(page, 1, 'Running');
  await shot(page, 'notebook-running');
  await saveAs(page, name, 1, 'Running');
  await page.reload();
  await attended(page, 1);
  await until(page, 1, 'Running');
  await restart(page);
  await unattended(page, 1);
  await until(page, 1, 'Running');
  await shot(page, 'notebook-unattended');
  hold.open();
  await until(page, 1, 'Complete');
  await shot(page, 'notebook-complete');
});

await scenario('the list, jobs and the form, in Notebook 7', async open => {
  const hold = gate('seven-list');
  const page = await begin(open, 'seven-list.ipynb', [training('below', hold)], { host: 'notebook' });
  await until(page, 1, 'Running');
  await page.getByRole('menuitem', { name: 'View' }).click();
  await page.getByRole('menuitem', { name: 'Training Jobs' }).click();
  await page
    .locator('.tj-sidebar [data-uid]', { hasText: /below-\w{5}/ })
    .first()
    .click();
  const job = page.locator('.tj-tab').getByRole('region', { name: /^Training job below-/ });
  await job.locator('canvas').first().waitFor();
  await page.locator('.tj-sidebar').getByRole('button', { name: 'New job' }).click();
  const form = page.getByRole('form', { name: 'New training job' });
  await form.getByText('From seven-list.ipynb').waitFor();
  await job.waitFor({ state: 'hidden' });
  await shot(page, 'notebook-list');
  await page.getByRole('tab', { name: /^below-\w{5}$/ }).click();
  await stop(job);
  await until(page, 1, 'Stopped');
});

await done();
