// The same in Notebook 7, in the dark: watched to the end, in a notebook whose kernel knows nothing of it any more, too.
import {
  attended,
  begin,
  done,
  gate,
  restart,
  saveAs,
  scenario,
  shot,
  training,
  unattended,
  until
} from './jupyter.mjs';

await scenario('live with its kernel and without, in Notebook 7', async open => {
  const hold = gate('seven');
  const name = 'seven.ipynb';
  const page = await begin(open, name, [training('seven', hold)], {
    host: 'notebook',
    theme: 'dark'
  });
  await until(page, 1, 'Running');
  await shot(page, 'notebook-running');
  await saveAs(page, name, 1, 'Running');
  await page.reload();
  await attended(page, 1);
  await until(page, 1, 'Running');
  await restart(page);
  await unattended(page, 1);
  await until(page, 1, 'Running');
  await shot(page, 'notebook-unattended');
  hold.open();
  await until(page, 1, 'Complete');
  await shot(page, 'notebook-complete');
});

await done();
