// What happens to a job's output when its page or its kernel goes and comes back.
import {
  assert,
  attended,
  begin,
  done,
  gate,
  picture,
  ready,
  restart,
  run,
  saveAs,
  scenario,
  shot,
  training,
  unattended,
  until
} from './jupyter.mjs';

await scenario('live again when its page was reloaded, and saved to the end', async open => {
  const hold = gate('reloaded');
  const name = 'reload.ipynb';
  const page = await begin(open, name, [training('reloaded', hold)]);
  await until(page, 1, 'Running');
  await saveAs(page, name, 1, 'Running');
  await page.reload();
  await ready(page);
  await attended(page, 1);
  await until(page, 1, 'Running');
  assert.equal(await picture(page, 1).count(), 0, 'no picture beside the live view');
  hold.open();
  await until(page, 1, 'Complete');
  await saveAs(page, name, 1, 'Complete');
});

await scenario(
  'live from the server when its kernel was restarted, and from that by %trainjob show',
  async open => {
    const hold = gate('restarted');
    const name = 'restart.ipynb';
    const page = await begin(open, name, [training('restarted', hold), '%trainjob show restarted']);
    await until(page, 1, 'Running');
    await restart(page);
    await until(page, 1, 'Running');
    await unattended(page, 1);
    await shot(page, 'restarted');
    await ready(page);
    await run(page, 0);
    await run(page, 2);
    await until(page, 2, 'Running');
    hold.open();
    await until(page, 2, 'Complete');
    await saveAs(page, name, 2, 'Complete');
    await until(page, 1, 'Complete');
  }
);

await done();
