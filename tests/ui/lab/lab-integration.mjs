// Jobs in JupyterLab's own parts: context menu, restored tabs, Running panel, commands to the cell and back.
import {
  assert,
  openAndRun,
  done,
  eventually,
  createGate,
  ready,
  run,
  saveInState,
  scenario,
  shot,
  openSidebar,
  training,
  waitForState
} from './jupyter.mjs';

const rowOf = (page, name) =>
  page.locator('.tj-sidebar .tj-row', { hasText: new RegExp(`${name}-\\w{5}`) }).first();
const cardOf = (page, name) =>
  page.locator('.tj-tab').getByRole('region', { name: new RegExp(`^Training job ${name}-`) });
const activeCell = page => page.evaluate(() => window.jupyterapp.shell.currentWidget.content.activeCellIndex);

/** Chooses from the context menu of a row or cell. */
async function choose(page, where, item) {
  await where.click({ button: 'right' });
  await page.getByRole('menuitem', { name: item }).click();
}

/** Executes a command by typing its name into the palette. */
async function command(page, name) {
  await page.keyboard.press('Control+Shift+KeyC');
  const palette = page.locator('.jp-ModalCommandPalette');
  await palette.locator('input').fill(name);
  await palette.getByText(name, { exact: true }).waitFor();
  await page.keyboard.press('Enter');
}

await scenario(
  'a job is opened from its row, restored after a reload, and stopped in the Running panel',
  async open => {
    const page = await openAndRun(open, 'hosted.ipynb', [training('hosted', createGate('hosted'))]);
    await openSidebar(page);
    const row = rowOf(page, 'hosted');
    // JupyterLab saves the layout some time after it has changed.
    const kept = page.waitForResponse(each =>
      /"current":"jupyter-trainjob:[0-9a-f]{8}-/.test(each.request().postData() ?? '')
    );
    await choose(page, row, 'Open Training Job…');
    await cardOf(page, 'hosted').waitFor();
    await kept;

    // The context menu and the confirmation use the job's current state and checkpoints.
    await row.click({ button: 'right' });
    await page.getByRole('menuitem', { name: 'Stop Training Job' }).waitFor();
    assert.equal(await page.getByRole('menuitem', { name: 'Resume Training Job' }).count(), 0);
    await shot(page, 'host-menu');
    // A menu that is closed by keyboard restores the focus.
    await page.keyboard.press('Escape');
    await row.and(page.locator(':focus')).waitFor();
    await choose(page, row, 'Stop Training Job');
    const dialog = page.getByRole('dialog');
    await dialog.getByText(/No checkpoint was saved|No checkpoint was written/).waitFor();
    await shot(page, 'host-stop');
    await dialog.getByRole('button', { name: 'Keep running' }).click();
    await row.and(page.locator(':focus')).waitFor();

    await page.goto(page.url().replace(/\/tree\/.*/, '')); // The URL would activate the notebook.
    await cardOf(page, 'hosted').locator('canvas').first().waitFor();
    await shot(page, 'host-reloaded');

    await page.getByRole('tab', { name: 'Running Terminals and Kernels' }).click();
    const listed = page.locator('.jp-RunningSessions-item', { hasText: /hosted-\w{5}.*Running/ });
    await listed.waitFor();
    await listed.hover();
    await shot(page, 'host-running');
    await listed.locator('.jp-RunningSessions-itemShutdown').click();
    // The confirmation warns about the missing checkpoint, as the card's does.
    await page
      .getByRole('dialog')
      .getByText(/No checkpoint was saved|No checkpoint was written/)
      .waitFor();
    await page.getByRole('dialog').getByRole('button', { name: 'Stop job' }).click();
    await page.locator('.tj-tab [data-state=Stopped]').waitFor();
    await listed.waitFor({ state: 'detached' });
  }
);

await scenario('from a job to its cell and back, by menu and palette', async open => {
  const name = 'cells.ipynb';
  const page = await openAndRun(open, name, [training('celled', createGate('celled')), '1 + 1']);
  await waitForState(page, 1, 'Running');
  await run(page, 2);
  await saveInState(page, name, 1, 'Running');
  await openSidebar(page);
  const row = rowOf(page, 'celled');
  await choose(page, row, 'Go to the Cell of a Training Job');
  await eventually(async () => (await activeCell(page)) === 1, 'the cell did not become current');

  await choose(
    page,
    page.locator('.jp-Notebook .jp-CodeCell').nth(1).locator('.jp-InputPrompt'),
    'Open the Training Job of This Cell'
  );
  await cardOf(page, 'celled').waitFor();

  // With a closed notebook, from the job's tab.
  await page.evaluate(async () => {
    const { shell } = window.jupyterapp;
    [...shell.widgets('main')].find(each => each.title.label === 'cells.ipynb').dispose();
  });
  await page.getByRole('tab', { name: /^celled-\w{5}$/ }).click();
  await command(page, 'Go to the Cell of a Training Job');
  await ready(page);
  await eventually(async () => (await activeCell(page)) === 1, 'the cell did not become current');

  await command(page, 'Stop Training Job');
  await page.getByRole('dialog').getByText('Stop which job?').waitFor();
  await shot(page, 'host-choose');
});

await done();
