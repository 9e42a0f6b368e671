// What happens to a job's output when its page or its kernel goes and comes back.
import {
  assert,
  card,
  done,
  gate,
  output,
  picture,
  ready,
  restart,
  run,
  saveAs,
  scenario,
  shot,
  training,
  until,
  write
} from './jupyter.mjs';

await scenario('live again when its page was reloaded, and saved to the end', async open => {
  const hold = gate('reloaded');
  const name = write('reload.ipynb', ['%load_ext jupyter_trainjob', training('reloaded', hold)]);
  const page = await open(name);
  await run(page, 0);
  await run(page, 1);
  await until(page, 1, 'Running');
  await saveAs(page, name, 1, 'Running');
  await page.reload();
  await ready(page);
  await until(page, 1, 'Running');
  assert.equal(await picture(page, 1).count(), 0, 'no picture beside the live view');
  hold.open();
  await until(page, 1, 'Complete');
  await saveAs(page, name, 1, 'Complete');
});

await scenario('a picture when its kernel was restarted, live again by %trainjob show', async open => {
  const hold = gate('restarted');
  const name = write('restart.ipynb', [
    '%load_ext jupyter_trainjob',
    training('restarted', hold),
    '%trainjob show restarted'
  ]);
  const page = await open(name);
  await run(page, 0);
  await run(page, 1);
  await until(page, 1, 'Running');
  await restart(page);
  await picture(page, 1).waitFor();
  assert.equal(await card(page, 1).count(), 0);
  assert.equal(await output(page, 1).getByText('Error displaying widget').count(), 0);
  await shot(page, 'restarted');
  await ready(page);
  await run(page, 0);
  await run(page, 2);
  await until(page, 2, 'Running');
  hold.open();
  await until(page, 2, 'Complete');
  await saveAs(page, name, 2, 'Complete');
  await picture(page, 1).waitFor();
});

await done();
