// A job is watched to its end; the browser is closed and opened again when its kernel is gone.
import {
  assert,
  card,
  done,
  forgetKernels,
  gate,
  output,
  picture,
  run,
  saveAs,
  scenario,
  shot,
  shutdown,
  training,
  until,
  write
} from './jupyter.mjs';

await scenario('watched to its end, and a picture when the browser was closed', async open => {
  const hold = gate('watched');
  const name = write('watch.ipynb', ['%load_ext jupyter_trainjob', training('watched', hold)]);
  const page = await open(name);
  await run(page, 0);
  await run(page, 1);
  await until(page, 1, 'Running');
  await card(page, 1).getByRole('progressbar').waitFor();
  hold.open();
  await until(page, 1, 'Complete');
  await shot(page, 'watched');
  await saveAs(page, name, 1, 'Complete');
  await page.context().close();

  await forgetKernels();
  const later = await open(name);
  await picture(later, 1).waitFor();
  assert.equal(await output(later, 1).getByText('Error displaying widget').count(), 0);
  await shot(later, 'reopened');
  await shutdown(later);
  await picture(later, 1).waitFor();
});

await done();
