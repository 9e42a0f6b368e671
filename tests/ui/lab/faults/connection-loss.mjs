// The embedded cluster is killed and stopped while a page shows its jobs, and started from the page.
import {
  openAndRun,
  done,
  createGate,
  reportStep,
  scenario,
  shot,
  openSidebar,
  training,
  waitForState
} from '../jupyter.mjs';

await scenario('the embedded cluster is killed, stopped and started', async open => {
  const hold = createGate('ending');
  const page = await openAndRun(open, 'ending.ipynb', [training('ending', hold)], {
    expected: /status of 502|WebSocket/
  });
  await waitForState(page, 1, 'Running');
  const panel = await openSidebar(page);
  const tab = page.locator('.tj-tab');
  await panel.locator('.tj-row', { hasText: /ending-\w{5}/ }).click();
  await tab.locator('[data-state=Running] canvas').first().waitFor();
  const step = () => tab.getByRole('progressbar').getAttribute('aria-valuenow');
  await reportStep('the job');

  // The page starts the killed daemon again; the job has continued.
  const before = Number(await step());
  await page.waitForFunction(
    at => Number(document.querySelector('.tj-tab [role=progressbar]')?.getAttribute('aria-valuenow')) > at,
    before
  );
  await reportStep('the daemon killed');

  await panel.getByRole('button', { name: 'Stop this cluster' }).click();
  const start = panel.getByRole('button', { name: 'Start this cluster' });
  await start.waitFor();
  for (const each of [panel, tab]) {
    await each.getByText('The local cluster is not running').waitFor();
  }
  await shot(page, 'ends-stopped');
  await start.click();
  for (const each of [panel, tab]) {
    await each.locator('.tj-trouble').waitFor({ state: 'detached' });
  }
  hold.open();
  await tab.locator('[data-state=Complete]').waitFor();
  await panel.getByRole('heading', { name: 'Finished' }).waitFor();
});

await done();
process.exit();
