// A job is watched to its end; the browser is closed and opened again when its kernel is gone.
import {
  begin,
  card,
  done,
  forgetKernels,
  gate,
  picture,
  pictured,
  saveAs,
  scenario,
  shot,
  shutdown,
  training,
  until
} from './jupyter.mjs';

await scenario('watched to its end, and a picture when the browser was closed', async open => {
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
  await pictured(later, 1);
  await shot(later, 'reopened');
  await shutdown(later);
  await picture(later, 1).waitFor();
});

await done();
