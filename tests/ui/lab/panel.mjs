// The list of jobs in a cell.
import { assert, begin, done, gate, output, run, scenario, shot, training, until } from './jupyter.mjs';

await scenario('a list of all jobs, which opens their cards', async open => {
  const hold = gate('listed');
  const page = await begin(open, 'panel.ipynb', [
    'import jupyter_trainjob\njupyter_trainjob.panel()',
    training('listed', hold)
  ]);
  const panel = output(page, 1);
  await panel.getByRole('region', { name: 'Training jobs' }).waitFor();
  await run(page, 2);
  const row = panel.locator('.tj-row', { hasText: /listed-\w{5}/ }).first();
  await row.waitFor();
  await until(page, 2, 'Running');
  await panel.getByRole('heading', { name: 'Running' }).waitFor();
  await row.click();
  const opened = panel.getByRole('region', { name: /^Training job listed-/ });
  await opened.getByRole('progressbar').waitFor();
  await shot(page, 'panel');
  hold.open();
  await panel.locator('.tj-card[data-state=Complete]').waitFor();
  await panel.getByRole('heading', { name: 'Finished' }).waitFor();
  await row.click();
  await opened.waitFor({ state: 'detached' });
  assert.equal(await row.getAttribute('aria-expanded'), 'false');
});

await done();
