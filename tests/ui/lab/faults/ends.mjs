// The embedded cluster is killed and stopped in front of a page that shows its jobs, and started from there.
import { begin, done, gate, say, scenario, shot, sidebar, training, until } from '../jupyter.mjs';

await scenario('the embedded cluster is killed, stopped and started', async open => {
  const hold = gate('ending');
  const page = await begin(open, 'ending.ipynb', [training('ending', hold)], {
    expected: /status of 502|WebSocket/
  });
  await until(page, 1, 'Running');
  const panel = await sidebar(page);
  const tab = page.locator('.tj-tab');
  await panel.locator('[data-uid]', { hasText: /ending-\w{5}/ }).click();
  await tab.locator('[data-state=Running] canvas').first().waitFor();
  const step = () => tab.getByRole('progressbar').getAttribute('aria-valuenow');
  await say('the job');

  // Who watches starts a daemon that was killed; its job has gone on.
  const before = Number(await step());
  await page.waitForFunction(
    at => Number(document.querySelector('.tj-tab [role=progressbar]')?.getAttribute('aria-valuenow')) > at,
    before
  );
  await say('the daemon killed');

  await panel.getByRole('button', { name: 'Stop this cluster' }).click();
  const start = panel.getByRole('button', { name: 'Start this cluster' });
  await start.waitFor();
  for (const each of [panel, tab]) {
    await each.getByText('The embedded cluster was stopped').waitFor();
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
