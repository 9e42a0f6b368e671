// The list of jobs in a cell.
import {
  assert,
  openAndRun,
  done,
  createGate,
  output,
  run,
  scenario,
  shot,
  training,
  waitForState
} from './jupyter.mjs';

await scenario('a list of all jobs, which opens their cards', async open => {
  const hold = createGate('listed');
  const page = await openAndRun(open, 'panel.ipynb', [
    'import jupyter_trainjob\njupyter_trainjob.panel()',
    training('listed', hold)
  ]);
  const panel = output(page, 1);
  await panel.getByRole('region', { name: 'Training jobs' }).waitFor();
  await run(page, 2);
  const row = panel.locator('.tj-row', { hasText: /listed-\w{5}/ }).first();
  await row.waitFor();
  await waitForState(page, 2, 'Running');
  await row.click();
  const opened = panel.getByRole('region', { name: /^Training job listed-/ });
  await opened.getByRole('progressbar').waitFor();
  await shot(page, 'panel');
  const below = await panel.evaluate(area => area.scrollHeight - area.clientHeight);
  assert.ok(below <= 1, `the output scrolls by ${below} pixels into nothing`);
  // The buttons of a row, without its card. The server has jobs of other tests as well, so each is located in its row.
  await row.click();
  await opened.waitFor({ state: 'detached' });
  const actions = panel.getByRole('group', { name: /^Actions for listed-/ });
  const become = state => row.getByText(state, { exact: true }).waitFor({ state: 'attached' });
  await row.hover();
  await actions.getByRole('button', { name: 'Stop' }).click();
  await panel.getByRole('button', { name: 'Stop job' }).click();
  await become('Stopped');
  // The row has moved below another heading, with the focus.
  const resume = actions.getByRole('button', { name: 'Resume', exact: true });
  await resume.and(page.locator(':focus')).waitFor();
  await shot(page, 'panel-stopped');
  await resume.click();
  await become('Running');
  await row.click();
  await opened.waitFor();
  hold.open();
  await panel.locator('.tj-card[data-state=Complete]').waitFor();
  await become('Complete');
  await row.click();
  await opened.waitFor({ state: 'detached' });
  assert.equal(await row.getAttribute('aria-expanded'), 'false');
});

await done();
