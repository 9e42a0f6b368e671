// The form of a new job: from a notebook's cell or function to a job of its kernel.
import { assert, done, execute, scenario, shot, until, write } from './jupyter.mjs';

const form = page => page.getByRole('form', { name: 'New training job' });
const source = (page, index) =>
  page.evaluate(
    at =>
      window.jupyterapp.shell
        .widgets('main')
        .next()
        .value.content.model.cells.get(at)
        .sharedModel.getSource(),
    index
  );

/** Opens a notebook of cells none of which was run, and the form beside it. */
async function begin(open, name, cells, options) {
  const page = await open(write(name, cells), options);
  await execute(page, 'jupyter-trainjob:new-job');
  await form(page).waitFor();
  return page;
}

await scenario('the current cell becomes a job, and the notebook loads the extension', async open => {
  const page = await begin(open, 'form-cell.ipynb', ['sum(range(10))']);
  const asked = form(page);
  await asked.getByText('From form-cell.ipynb').waitFor();
  await asked.getByLabel('Name', { exact: true }).fill('total');
  await asked.getByLabel('Runtime').selectOption('plain');
  await asked.getByLabel('Nodes', { exact: true }).fill('many');
  await asked.getByText(/invalid int value/).waitFor();
  assert.equal(await asked.getByRole('button', { name: 'Run' }).getAttribute('aria-disabled'), 'true');
  await shot(page, 'new-job-wrong');
  await asked.getByLabel('Nodes', { exact: true }).fill('2');
  await asked.getByText('%%trainjob total --nodes 2 --runtime plain').waitFor();
  await asked.getByText(/Free now on 1 node/).waitFor();
  await shot(page, 'new-job');
  await asked.getByRole('button', { name: 'Run' }).click();
  await asked.getByText('Sent: its card is below the cell.').waitFor();
  await page.getByRole('tab', { name: 'form-cell.ipynb' }).click();
  await until(page, 1, 'Complete');
  assert.equal(await source(page, 0), '%load_ext jupyter_trainjob');
  assert.equal(await source(page, 1), '%%trainjob total --nodes 2 --runtime plain\nsum(range(10))');
});

await scenario('a function is called in a cell of its own', async open => {
  const page = await begin(
    open,
    'form-function.ipynb',
    ['%load_ext jupyter_trainjob', 'def train(steps, rate=0.1):\n    return steps * rate'],
    { theme: 'dark' }
  );
  const asked = form(page);
  await asked.getByLabel('What runs').selectOption('train');
  await asked.getByLabel('Call').fill('train(20)');
  await asked.getByLabel('Runtime').selectOption('plain');
  await asked.getByText('%%trainjob job --runtime plain').waitFor();
  await shot(page, 'new-job-function');
  await asked.getByRole('button', { name: 'Write into notebook' }).click();
  await asked.getByText('Written into the notebook.').waitFor();
  assert.equal(await source(page, 1), '%%trainjob job --runtime plain\ntrain(20)');
});

await done();
