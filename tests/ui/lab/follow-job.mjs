// A job is watched to its end; the browser is closed and reopened after its kernel is gone.
import {
  openAndRun,
  card,
  done,
  shutDownKernels,
  createGate,
  saveInState,
  scenario,
  shot,
  shutdown,
  training,
  expectLiveFromServer,
  waitForState
} from './jupyter.mjs';

await scenario(
  'a job is watched to its end, and shown without a kernel after the browser was closed',
  async open => {
    const hold = createGate('watched');
    const name = 'watch.ipynb';
    const page = await openAndRun(open, name, [training('watched', hold)]);
    await waitForState(page, 1, 'Running');
    await card(page, 1).getByRole('progressbar').waitFor();
    hold.open();
    await waitForState(page, 1, 'Complete');
    await shot(page, 'watched');
    await saveInState(page, name, 1, 'Complete');
    await page.context().close();

    await shutDownKernels();
    const later = await open(name);
    await expectLiveFromServer(later, 1);
    await shot(later, 'reopened');
    await shutdown(later);
    await expectLiveFromServer(later, 1);
  }
);

await done();
