// First use: the hint below a cell that loads the extension, and the tile of the launcher.
import { assert, done, execute, scenario, shot, openSidebar, waitForState, write } from './jupyter.mjs';

await scenario('a cell in a kernel without the extension loads it with one click', async open => {
  const page = await open(write('form-load.ipynb', ['%%trainjob hinted --runtime plain\n1 + 1']));
  await execute(page, 'notebook:run-cell').catch(() => null);
  const load = page.getByRole('button', { name: 'Load it and run again' });
  await load.waitFor();
  await shot(page, 'load-hint');
  await load.click();
  await waitForState(page, 1, 'Complete');
  await load.waitFor({ state: 'detached' });
  const sources = () =>
    page.evaluate(() =>
      [...window.jupyterapp.shell.currentWidget.content.model.cells].map(each => each.sharedModel.getSource())
    );
  assert.equal((await sources())[0], '%load_ext jupyter_trainjob');
});

await scenario('the form opens from the launcher', async open => {
  const page = await open(write('form-tile.ipynb', ['1 + 1']));
  await execute(page, 'launcher:create');
  const tile = page.locator('.jp-LauncherCard', { hasText: 'Training job' });
  await tile.waitFor();
  await shot(page, 'launcher');
  await tile.click();
  await page.getByRole('form', { name: 'New training job' }).waitFor();
  assert.equal(
    await openSidebar(page).then(panel => panel.getByLabel('Cluster').inputValue()),
    'trainjob-local'
  );
});

await done();
