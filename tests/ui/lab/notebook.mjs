// Notebook 7 with a dark theme: a job is watched to its end, with and without its kernel.
import {
  expectLiveFromKernel,
  openAndRun,
  done,
  createGate,
  restart,
  saveInState,
  scenario,
  shot,
  stopJob,
  training,
  expectLiveFromServer,
  waitForState
} from './jupyter.mjs';

await scenario('a job is live with and without its kernel, in Notebook 7', async open => {
  const hold = createGate('seven');
  const name = 'seven.ipynb';
  const page = await openAndRun(open, name, [training('seven', hold)], {
    host: 'notebook',
    theme: 'dark'
  });
  await waitForState(page, 1, 'Running');
  await shot(page, 'notebook-running');
  await saveInState(page, name, 1, 'Running');
  await page.reload();
  await expectLiveFromKernel(page, 1);
  await waitForState(page, 1, 'Running');
  await restart(page);
  await expectLiveFromServer(page, 1);
  await waitForState(page, 1, 'Running');
  await shot(page, 'notebook-unattended');
  hold.open();
  await waitForState(page, 1, 'Complete');
  await shot(page, 'notebook-complete');
});

await scenario('the list, jobs and the form, in Notebook 7', async open => {
  const hold = createGate('seven-list');
  const page = await openAndRun(open, 'seven-list.ipynb', [training('below', hold)], { host: 'notebook' });
  await waitForState(page, 1, 'Running');
  await page.getByRole('menuitem', { name: 'View' }).click();
  await page.getByRole('menuitem', { name: 'Training Jobs' }).click();
  await page
    .locator('.tj-sidebar .tj-row', { hasText: /below-\w{5}/ })
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
  await stopJob(job);
  await waitForState(page, 1, 'Stopped');
});

await done();
