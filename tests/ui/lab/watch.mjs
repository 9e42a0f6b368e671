// A job is watched to its end; the browser is closed and opened again when its kernel is gone.
import {
  begin,
  card,
  done,
  forgetKernels,
  gate,
  saveAs,
  scenario,
  shot,
  shutdown,
  training,
  unattended,
  until
} from './jupyter.mjs';

await scenario('watched to its end, and there without a kernel when the browser was closed', async open => {
  const hold = gate('watched');
  const name = 'watch.ipynb';
  const page = await begin(open, name, [training('watched', hold)]);
  await until(page, 1, 'Running');
  await card(page, 1).getByRole('progressbar').waitFor();
  hold.open();
  await until(page, 1, 'Complete');
  await shot(page, 'watched');
  await saveAs(page, name, 1, 'Complete');
  await page.context().close();

  await forgetKernels();
  const later = await open(name);
  await unattended(later, 1);
  await shot(later, 'reopened');
  await shutdown(later);
  await unattended(later, 1);
});

await done();
