// A job's output after a reload of its page, and after a restart of its kernel.
import {
  assert,
  expectLiveFromKernel,
  openAndRun,
  done,
  createGate,
  picture,
  ready,
  restart,
  run,
  saveInState,
  scenario,
  shot,
  training,
  expectLiveFromServer,
  waitForState
} from './jupyter.mjs';

await scenario('a job is live after a page reload, and saved to the end', async open => {
  const hold = createGate('reloaded');
  const name = 'reload.ipynb';
  const page = await openAndRun(open, name, [training('reloaded', hold)]);
  await waitForState(page, 1, 'Running');
  await saveInState(page, name, 1, 'Running');
  await page.reload();
  await ready(page);
  await expectLiveFromKernel(page, 1);
  await waitForState(page, 1, 'Running');
  assert.equal(await picture(page, 1).count(), 0, 'no picture beside the live view');
  hold.open();
  await waitForState(page, 1, 'Complete');
  await saveInState(page, name, 1, 'Complete');
});

await scenario(
  'live from the server when its kernel was restarted, and from that by %trainjob show',
  async open => {
    const hold = createGate('restarted');
    const name = 'restart.ipynb';
    const page = await openAndRun(open, name, [training('restarted', hold), '%trainjob show restarted']);
    await waitForState(page, 1, 'Running');
    await restart(page);
    await waitForState(page, 1, 'Running');
    await expectLiveFromServer(page, 1);
    await shot(page, 'restarted');
    await ready(page);
    await run(page, 0);
    await run(page, 2);
    await waitForState(page, 2, 'Running');
    hold.open();
    await waitForState(page, 2, 'Complete');
    await saveInState(page, name, 2, 'Complete');
    await waitForState(page, 1, 'Complete');
  }
);

await done();
