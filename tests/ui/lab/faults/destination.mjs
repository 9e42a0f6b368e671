// The form sends to the cluster that it shows: the sidebar's, until another one is chosen in the form.
import { assert, done, execute, scenario, shot, openSidebar, write } from '../jupyter.mjs';

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

await scenario('the destination follows the sidebar, and a real cluster is confirmed by name', async open => {
  const page = await open(write('destination.ipynb', ['sum(range(10))']));
  const panel = await openSidebar(page);
  const form = page.getByRole('form', { name: 'New training job' });
  const [cluster, line] = [form.getByLabel('Cluster'), form.locator('.tj-form-line')];
  const lineIs = text => line.getByText(text, { exact: true }).waitFor();
  const goTo = name => panel.getByLabel('Cluster').selectOption(name);
  const shows = name =>
    page.waitForFunction(wanted => document.querySelector('.tj-form select')?.value === wanted, name);

  await goTo('prod');
  await panel.getByRole('button', { name: '+ New job' }).click();
  await shows('prod');
  assert.equal(await form.getByLabel('Namespace').inputValue(), 'ml');
  await lineIs('%%trainjob job --context prod');
  await form.getByRole('button', { name: 'Run', exact: true }).click();
  await form.getByText('Send this job to the cluster prod, namespace ml?').waitFor();
  await shot(page, 'destination-asks');
  await form.getByRole('button', { name: 'Do not send' }).click();
  assert.equal(await page.locator(':focus').innerText(), 'Run');
  assert.equal(await source(page, 0), 'sum(range(10))', 'nothing was written');

  await goTo('trainjob-local');
  await shows('trainjob-local');
  assert.doesNotMatch(await line.innerText(), /prod/, 'the line of another cluster is not shown');
  await lineIs('%%trainjob job');
  await panel.getByRole('button', { name: '+ New job' }).click();
  await lineIs('%%trainjob job');

  await cluster.selectOption('prod');
  await lineIs('%%trainjob job --context prod');
  await form.getByText('The sidebar shows this computer / default.').waitFor();
  await execute(page, 'jupyter-trainjob:new-job');
  await lineIs('%%trainjob job --context prod');
  await shot(page, 'destination-own');
  await panel.getByRole('button', { name: '+ New job' }).click();
  await lineIs('%%trainjob job');

  // The sidebar changes while the job is sent: the job goes to the destination that was shown.
  await form.getByLabel('Runtime').selectOption('plain');
  await lineIs('%%trainjob job --runtime plain');
  await form.getByRole('button', { name: 'Run', exact: true }).click();
  await goTo('prod');
  await form.getByText('Job sent.').waitFor();
  assert.equal(await source(page, 1), '%%trainjob job --runtime plain\nsum(range(10))');

  // A reload resets confirmations, but keeps the sidebar's namespace.
  await page.reload();
  await page.waitForFunction(() => window.jupyterapp?.restored.then(() => true));
  await panel.getByRole('button', { name: '+ New job' }).click();
  await shows('prod');
});

await done();
