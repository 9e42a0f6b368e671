// The sidebar: jobs without a kernel.
import {
  assert,
  openAndRun,
  done,
  eventually,
  createGate,
  scenario,
  shot,
  shutdown,
  openSidebar,
  stopJob,
  training,
  waitForState
} from './jupyter.mjs';

await scenario('a job is watched and stopped in a tab after its kernel was shut down', async open => {
  const hold = createGate('steered');
  const page = await openAndRun(open, 'steered.ipynb', [training('steered', hold)]);
  const jobs = await openSidebar(page);
  const row = jobs.locator('.tj-row', { hasText: /steered-\w{5}/ });
  await row.waitFor();
  await shutdown(page);
  await row.click();
  const tab = page.locator('.tj-tab');
  const card = tab.getByRole('region', { name: /^Training job steered-/ });
  await card.waitFor();
  await tab.locator('[data-state=Running] canvas').first().waitFor();
  await shot(page, 'sidebar');
  // The card fills the tab, and the charts grow.
  const [room, whole, chart] = await Promise.all(
    [tab, card, tab.locator('.tj-chart').first()].map(each => each.boundingBox())
  );
  assert.ok(room.y + room.height - whole.y - whole.height < 20, 'the card ends with the tab');
  assert.ok(chart.height > 200, `a chart of ${chart.height} pixels in a tab of ${room.height}`);
  const height = async selector => (await tab.locator(selector).first().boundingBox()).height;
  // A chart is redrawn after its size has changed.
  await eventually(
    async () => Math.abs((await height('.tj-chart canvas')) - (await height('.tj-chart'))) < 2,
    'the drawing has the height of its chart'
  );
  await card.getByRole('tab', { name: 'Logs' }).click();
  await shot(page, 'tab-logs');
  await card.getByRole('tab', { name: 'Curves' }).click();
  await stopJob(card);
  await tab.locator('[data-state=Stopped]').waitFor();
  await jobs.getByRole('heading', { name: 'Stopped' }).waitFor();
  await page.getByRole('tab', { name: 'steered.ipynb' }).click();
  await waitForState(page, 1, 'Stopped'); // Also in the cell, without its kernel.
});

await scenario('a job is stopped, resumed and deleted in its row', async open => {
  const page = await openAndRun(open, 'rows.ipynb', [training('rowed', createGate('rowed'))]);
  const jobs = await openSidebar(page);
  const row = jobs.locator('.tj-row', { hasText: /rowed-\w{5}/ });
  const actions = jobs.getByRole('group', { name: /^Actions for rowed-/ });
  const choose = async name => {
    await row.hover();
    await actions.getByRole('button', { name }).click();
  };
  const become = state => row.getByText(state, { exact: true }).waitFor({ state: 'attached' });
  await waitForState(page, 1, 'Running');
  await become('Running');
  await choose('Stop');
  await jobs.getByRole('group', { name: /^Stop this job\?/ }).waitFor();
  await shot(page, 'sidebar-asks');
  await jobs.getByRole('button', { name: 'Stop job' }).click();
  await become('Stopped');
  const resume = actions.getByRole('button', { name: 'Resume' });
  await resume.and(page.locator(':focus')).waitFor();
  await resume.press('Enter');
  await become('Running'); // The menu depends on the row's state, which changes after the card's.
  // The context menu also opens on the row's buttons.
  await row.hover();
  await actions.getByRole('button', { name: 'Rerun' }).click({ button: 'right' });
  await page.getByRole('menuitem', { name: 'Stop Training Job' }).waitFor();
  await page.keyboard.press('Escape');
  await choose('Delete…');
  await jobs.getByRole('button', { name: 'Delete job' }).click();
  await row.waitFor({ state: 'detached' });
});

await done();
