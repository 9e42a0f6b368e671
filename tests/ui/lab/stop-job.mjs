// A job is stopped by its buttons while a cell is running, and all its views show it.
import {
  assert,
  openAndRun,
  card,
  done,
  eventually,
  createGate,
  output,
  run,
  isRunning,
  saveInState,
  scenario,
  shot,
  training,
  waitForState
} from './jupyter.mjs';

await scenario('a job is stopped from one of two views while a cell runs', async open => {
  const [hold, busy] = [createGate('stopped'), createGate('busy')];
  const name = 'stop.ipynb';
  const page = await openAndRun(open, name, [
    training('stopped', hold),
    '%trainjob show stopped',
    `import pathlib, time\nwhile not pathlib.Path(${JSON.stringify(busy.file)}).exists():\n    time.sleep(0.05)`
  ]);
  await run(page, 2);
  await waitForState(page, 1, 'Running');
  await waitForState(page, 2, 'Running');
  await run(page, 3, { wait: false });
  await eventually(() => isRunning(page, 3), 'the cell is not running');
  await card(page, 2).getByRole('button', { name: 'Stop', exact: true }).click();
  await shot(page, 'stop-confirmation');
  await card(page, 2).getByRole('button', { name: 'Stop job' }).click();
  await waitForState(page, 1, 'Stopped');
  await waitForState(page, 2, 'Stopped');
  assert.ok(await isRunning(page, 3));
  await shot(page, 'stopped');

  await card(page, 1).getByRole('button', { name: 'Resume', exact: true }).click();
  await waitForState(page, 2, 'Running');
  assert.ok(await isRunning(page, 3));
  hold.open();
  await waitForState(page, 1, 'Complete');
  busy.open();
  await saveInState(page, name, 1, 'Complete');
  await saveInState(page, name, 2, 'Complete');
  assert.equal(await output(page, 1).locator('.tj-card').count(), 1);
});

await scenario('a job is rerun and copied from the menu', async open => {
  const hold = createGate('again');
  hold.open();
  const page = await openAndRun(open, 'again.ipynb', [training('again', hold)]);
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await waitForState(page, 1, 'Complete');
  const clipboard = () => page.evaluate(() => navigator.clipboard.readText());
  const copy = async words => {
    await card(page, 1)
      .getByRole('button', { name: /^More actions/ })
      .click();
    await page.getByRole('menuitem', { name: words }).click();
    await card(page, 1).getByText('Copied').waitFor();
    return clipboard();
  };
  assert.match(await copy(/%%trainjob/), /^%%trainjob again .*--nodes 2/);
  assert.match(await copy(/YAML/), /kind: TrainJob/);
  assert.match(await copy(/SDK/), /TrainerClient/);
  await shot(page, 'copied');

  await card(page, 1).getByRole('button', { name: 'Rerun', exact: true }).click();
  const second = output(page, 1).locator('.tj-card').nth(1);
  await second.waitFor();
  await page.waitForFunction(() =>
    [...document.querySelectorAll('.jp-Notebook .tj-card')].every(each => each.dataset.state === 'Complete')
  );
  await shot(page, 'rerun');
});

await done();
