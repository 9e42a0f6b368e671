// The same in Notebook 7, in the dark: watched to the end, closed, opened again.
import {
  begin,
  done,
  gate,
  picture,
  pictured,
  restart,
  saveAs,
  scenario,
  shot,
  training,
  until
} from './jupyter.mjs';

await scenario('live, and then a picture, in Notebook 7', async open => {
  const hold = gate('seven');
  const name = 'seven.ipynb';
  const page = await begin(open, name, [training('seven', hold)], { host: 'notebook', theme: 'dark' });
  await until(page, 1, 'Running');
  await shot(page, 'notebook-running');
  await saveAs(page, name, 1, 'Running');
  await page.reload();
  await until(page, 1, 'Running');
  hold.open();
  await until(page, 1, 'Complete');
  await saveAs(page, name, 1, 'Complete');
  await restart(page);
  await pictured(page, 1);
  await shot(page, 'notebook-picture');
});

await done();
