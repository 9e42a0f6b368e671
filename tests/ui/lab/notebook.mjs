// The same in Notebook 7, in the dark: watched to the end, closed, opened again.
import {
  assert,
  card,
  done,
  gate,
  output,
  picture,
  restart,
  run,
  saveAs,
  scenario,
  shot,
  training,
  until,
  write
} from './jupyter.mjs';

await scenario('live, and then a picture, in Notebook 7', async open => {
  const hold = gate('seven');
  const name = write('seven.ipynb', ['%load_ext jupyter_trainjob', training('seven', hold)]);
  const page = await open(name, { host: 'notebook', theme: 'dark' });
  await run(page, 0);
  await run(page, 1);
  await until(page, 1, 'Running');
  await shot(page, 'notebook-running');
  await saveAs(page, name, 1, 'Running');
  await page.reload();
  await until(page, 1, 'Running');
  hold.open();
  await until(page, 1, 'Complete');
  await saveAs(page, name, 1, 'Complete');
  await restart(page);
  await picture(page, 1).waitFor();
  assert.equal(await card(page, 1).count(), 0);
  assert.equal(await output(page, 1).getByText('Error displaying widget').count(), 0);
  await shot(page, 'notebook-picture');
});

await done();
