// What Lab itself does with jobs: the menu of a row, tabs that come back, the Running panel, the way to the cell and back.
import {
  assert,
  begin,
  done,
  eventually,
  gate,
  ready,
  run,
  saveAs,
  scenario,
  shot,
  sidebar,
  training,
  until
} from './jupyter.mjs';

const rowOf = (page, name) =>
  page.locator('.tj-sidebar [data-uid]', { hasText: new RegExp(`${name}-\\w{5}`) }).first();
const cardOf = (page, name) =>
  page.locator('.tj-tab').getByRole('region', { name: new RegExp(`^Training job ${name}-`) });
const activeCell = page => page.evaluate(() => window.jupyterapp.shell.currentWidget.content.activeCellIndex);

/** Chooses from the menu of a row or cell. */
async function choose(page, where, item) {
  await where.click({ button: 'right' });
  await page.getByRole('menuitem', { name: item }).click();
}

/** Does a command of the palette, as who types its name. */
async function command(page, words) {
  await page.keyboard.press('Control+Shift+KeyC');
  const palette = page.locator('.jp-ModalCommandPalette');
  await palette.locator('input').fill(words);
  await palette.getByText(words, { exact: true }).waitFor();
  await page.keyboard.press('Enter');
}

await scenario(
  'a job goes from its row to its tab, comes back with the page, and is stopped where Lab lists what runs',
  async open => {
    const page = await begin(open, 'hosted.ipynb', [training('hosted', gate('hosted'))]);
    await sidebar(page);
    const row = rowOf(page, 'hosted');
    await row.click({ button: 'right' });
    await page.getByRole('menuitem', { name: 'Stop Training Job' }).waitFor();
    assert.equal(await page.getByRole('menuitem', { name: 'Resume Training Job' }).count(), 0);
    await shot(page, 'host-menu');
    await page.getByRole('menuitem', { name: 'Open Training Job…' }).click();
    await cardOf(page, 'hosted').waitFor();
    // Lab saves where its tabs are a moment after they have moved.
    await page.waitForResponse(each =>
      /"current":"jupyter-trainjob:[0-9a-f]{8}-/.test(each.request().postData() ?? '')
    );

    await page.goto(page.url().replace(/\/tree\/.*/, '')); // Without a notebook that the address would put in front.
    await cardOf(page, 'hosted').locator('canvas').first().waitFor();
    await shot(page, 'host-reloaded');

    await page.getByRole('tab', { name: 'Running Terminals and Kernels' }).click();
    const listed = page.locator('.jp-RunningSessions-item', { hasText: /hosted-\w{5}.*Running/ });
    await listed.waitFor();
    await listed.hover();
    await shot(page, 'host-running');
    await listed.locator('.jp-RunningSessions-itemShutdown').click();
    await page.locator('.tj-tab [data-state=Stopped]').waitFor();
    await listed.waitFor({ state: 'detached' });
  }
);

await scenario('from a job to its cell and back, by menu and palette', async open => {
  const name = 'cells.ipynb';
  const page = await begin(open, name, [training('celled', gate('celled')), '1 + 1']);
  await until(page, 1, 'Running');
  await run(page, 2);
  await saveAs(page, name, 1, 'Running');
  await sidebar(page);
  const row = rowOf(page, 'celled');
  await choose(page, row, 'Go to the Cell of a Training Job');
  await eventually(async () => (await activeCell(page)) === 1, 'the cell is not the current one');

  await choose(
    page,
    page.locator('.jp-Notebook .jp-CodeCell').nth(1).locator('.jp-InputPrompt'),
    'Open the Training Job of This Cell'
  );
  await cardOf(page, 'celled').waitFor();

  // With its notebook closed: from the tab, by its name.
  await page.evaluate(async () => {
    const { shell } = window.jupyterapp;
    [...shell.widgets('main')].find(each => each.title.label === 'cells.ipynb').dispose();
  });
  await page.getByRole('tab', { name: /^celled-\w{5}$/ }).click();
  await command(page, 'Go to the Cell of a Training Job');
  await ready(page);
  await eventually(async () => (await activeCell(page)) === 1, 'the cell is not the current one');

  await command(page, 'Stop Training Job');
  await page.getByRole('dialog').getByText('Stop which job?').waitFor();
  await shot(page, 'host-choose');
});

await done();
