// Values of JupyterLab's settings editor apply in the page.
import { assert, done, eventually, execute, scenario, shot, write } from './jupyter.mjs';

const kept = (page, plugin) =>
  page.evaluate(id => window.jupyterapp.serviceManager.settings.fetch(id).then(({ raw }) => raw), plugin);
const forget = (page, plugin) =>
  page.evaluate(id => window.jupyterapp.serviceManager.settings.save(id, '{}').then(() => null), plugin);
const PLUGIN = 'jupyter-trainjob:new-job';

await scenario('a new job starts with the values of the settings', async open => {
  const page = await open(write('set.ipynb', ['1 + 1']));
  try {
    await execute(page, 'settingeditor:open', { query: 'Training jobs' });
    const editor = page.locator('.jp-SettingsPanel');
    await editor.getByText('Refresh free resources every (seconds)').waitFor();
    await shot(page, 'settings');
    await editor.locator('input[id$="new-job_nodes"]').fill('4');
    await eventually(async () => /4/.test(await kept(page, PLUGIN)), 'the editor did not save');
    await page.getByRole('tab', { name: 'set.ipynb' }).click();
    await execute(page, 'jupyter-trainjob:new-job');
    const form = page.getByRole('form', { name: 'New training job' });
    await form.getByText('%%trainjob job --nodes 4').waitFor();
    assert.equal(await form.getByLabel('Nodes', { exact: true }).inputValue(), '4');
  } finally {
    await forget(page, PLUGIN);
  }
});

await done();
