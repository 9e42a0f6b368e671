// A job is stopped by its buttons while a cell runs, and every view of it follows.
import {
  assert,
  begin,
  card,
  done,
  eventually,
  gate,
  output,
  run,
  runs,
  saveAs,
  scenario,
  shot,
  training,
  until
} from './jupyter.mjs';

await scenario('stopped from one of two views while a cell runs', async open => {
  const [hold, busy] = [gate('stopped'), gate('busy')];
  const name = 'stop.ipynb';
  const page = await begin(open, name, [
    training('stopped', hold),
    '%trainjob show stopped',
    `import pathlib, time\nwhile not pathlib.Path(${JSON.stringify(busy.file)}).exists():\n    time.sleep(0.05)`
  ]);
  await run(page, 2);
  await until(page, 1, 'Running');
  await until(page, 2, 'Running');
  await run(page, 3, { wait: false });
  await eventually(() => runs(page, 3), 'the cell does not run');
  await card(page, 2).getByRole('button', { name: 'Stop', exact: true }).click();
  await shot(page, 'asked');
  await card(page, 2).getByRole('button', { name: 'Stop job' }).click();
  await until(page, 1, 'Stopped');
  await until(page, 2, 'Stopped');
  assert.ok(await runs(page, 3));
  await shot(page, 'stopped');

  await card(page, 1).getByRole('button', { name: 'Resume', exact: true }).click();
  await until(page, 2, 'Running');
  assert.ok(await runs(page, 3));
  hold.open();
  await until(page, 1, 'Complete');
  busy.open();
  await saveAs(page, name, 1, 'Complete');
  await saveAs(page, name, 2, 'Complete');
  assert.equal(await output(page, 1).locator('.tj-card').count(), 1);
});

await scenario('sent again, and copied, from the menu', async open => {
  const hold = gate('again');
  hold.open();
  const page = await begin(open, 'again.ipynb', [training('again', hold)]);
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
  await until(page, 1, 'Complete');
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
