// The form of a new job: it sends a notebook's cell or function through its kernel to the chosen cluster.
import { assert, openAndRun, card, done, execute, scenario, shot, waitForState, write } from './jupyter.mjs';

const form = page => page.getByRole('form', { name: 'New training job' });
const run = page => form(page).getByRole('button', { name: 'Run', exact: true });
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

/** Opens a notebook whose cells were not run, and the form beside it. */
async function openForm(open, name, cells, options) {
  const page = await open(write(name, cells), options);
  await execute(page, 'jupyter-trainjob:new-job');
  await form(page).waitFor();
  return page;
}

await scenario('the current cell becomes a job, and the notebook loads the extension', async open => {
  const page = await openForm(open, 'form-cell.ipynb', ['sum(range(10))']);
  const newJobForm = form(page);
  await newJobForm.getByText('From form-cell.ipynb').waitFor();
  await newJobForm.locator('.tj-form-preview', { hasText: 'sum(range(10))' }).waitFor();
  assert.equal(await newJobForm.getByLabel('Cluster').inputValue(), 'trainjob-local');
  await newJobForm.getByLabel('Name', { exact: true }).fill('total');
  await newJobForm.getByLabel('Runtime').selectOption('plain');
  await newJobForm.getByLabel('Nodes', { exact: true }).fill('many');
  await newJobForm.locator('.tj-form-problem', { hasText: 'Write a whole number, such as 2' }).waitFor();
  assert.equal(await run(page).getAttribute('aria-disabled'), 'true');
  await shot(page, 'new-job-wrong');
  await newJobForm.getByLabel('Nodes', { exact: true }).fill('2');
  await newJobForm.getByText('%%trainjob total --nodes 2 --runtime plain').waitFor();
  await newJobForm.getByText(/Free now on 1 node/).waitFor();
  await shot(page, 'new-job');
  await run(page).click();
  await newJobForm.getByText('Job sent.').waitFor();
  await shot(page, 'new-job-sent');
  await newJobForm.getByRole('button', { name: 'Open job' }).click();
  await page
    .locator('.tj-tab')
    .getByRole('region', { name: /^Training job total-/ })
    .waitFor();
  await page.getByRole('tab', { name: 'New training job' }).click();
  await newJobForm.getByRole('button', { name: 'Go to cell' }).click();
  await card(page, 1).waitFor();
  assert.ok(await card(page, 1).isVisible());
  await waitForState(page, 1, 'Complete');
  assert.equal(await source(page, 0), '%load_ext jupyter_trainjob');
  assert.equal(await source(page, 1), '%%trainjob total --nodes 2 --runtime plain\nsum(range(10))');
});

await scenario('a function is called in a cell of its own', async open => {
  const page = await openForm(
    open,
    'form-function.ipynb',
    ['%load_ext jupyter_trainjob', 'def train(steps, rate=0.1):\n    return steps * rate'],
    { theme: 'dark' }
  );
  const newJobForm = form(page);
  await newJobForm.getByLabel('Code to run').selectOption('train');
  await newJobForm.getByText('Replace … with a value for steps.').waitFor();
  assert.equal(await newJobForm.getByLabel('Call').inputValue(), 'train(steps=…)');
  assert.equal(await run(page).getAttribute('aria-disabled'), 'true');
  await shot(page, 'new-job-blank');
  await newJobForm.getByLabel('Call').fill('train(20)');
  await newJobForm.getByLabel('Runtime').selectOption('plain');
  await newJobForm.getByText('%%trainjob job --runtime plain').waitFor();
  await shot(page, 'new-job-function');
  await newJobForm.getByRole('button', { name: 'Write into notebook' }).click();
  await newJobForm.getByText('Written into the notebook.').waitFor();
  assert.equal(await source(page, 2), '%%trainjob job --runtime plain\ntrain(20)');
});

await scenario('a form starts with a cell that has code', async open => {
  const page = await openForm(open, 'form-begin.ipynb', ['%load_ext jupyter_trainjob', 'sum(range(10))', '']);
  const newJobForm = form(page);
  await newJobForm.locator('.tj-form-preview', { hasText: 'sum(range(10))' }).waitFor();
  await newJobForm.getByText('The current cell (2 of 3)').waitFor({ state: 'attached' });
  await newJobForm.getByLabel('Name', { exact: true }).fill('ünï');
  await newJobForm.locator('.tj-form-problem', { hasText: "such as 'uni'" }).waitFor();
  await newJobForm.getByLabel('Name', { exact: true }).fill('');
  await newJobForm.getByLabel('GPUs per node').fill('1');
  await newJobForm.getByText('ask for none, or choose another cluster above.').waitFor();
  await shot(page, 'new-job-hints');
});

await scenario('a kernel that sends jobs elsewhere gets a line that names the destination', async open => {
  const page = await openAndRun(open, 'form-use.ipynb', [
    'import jupyter_trainjob\njupyter_trainjob.use(namespace="team")'
  ]);
  await execute(page, 'jupyter-trainjob:new-job');
  const newJobForm = form(page);
  await newJobForm.getByText('%%trainjob job', { exact: true }).waitFor();
  await newJobForm.getByLabel('Code to run').waitFor();
  await newJobForm.getByRole('button', { name: 'Write into notebook' }).click();
  await newJobForm.getByText('Written into the notebook.').waitFor();
  assert.match(await source(page, 1), /^%%trainjob job --context trainjob-local --namespace default\n/);
});

await done();
