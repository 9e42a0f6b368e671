// A job that fails on one rank, and a job with hostile output.
import {
  assert,
  openAndRun,
  card,
  done,
  createGate,
  output,
  saveInState,
  scenario,
  shot,
  training,
  waitForState
} from './jupyter.mjs';

const HOSTILE = '<img src=x onerror=window.pwned=1><script>window.pwned=1</script>';

await scenario('a job that fails on one rank shows rank, line and error', async open => {
  const hold = createGate('failing');
  const name = 'fail.ipynb';
  const page = await openAndRun(open, name, [
    training('failing', {
      ...hold,
      lines: ['if rank == 1 and step == 10:', '    raise ValueError("the batch does not fit")']
    })
  ]);
  await waitForState(page, 1, 'Failed');
  await card(page, 1).getByText('ValueError: the batch does not fit').first().waitFor();
  await card(page, 1)
    .getByText(/rank 1/)
    .first()
    .waitFor();
  await card(page, 1).getByText('Cell [2], line 10', { exact: true }).waitFor();
  await shot(page, 'failed');
  await saveInState(page, name, 1, 'Failed');
});

await scenario('output of a pod is rendered as text', async open => {
  const hold = createGate('hostile');
  const name = 'hostile.ipynb';
  const page = await openAndRun(open, name, [
    training('hostile', {
      ...hold,
      lines: [
        `report(step=step, **{${JSON.stringify(HOSTILE)}: 1.0})`,
        `print(${JSON.stringify(`${HOSTILE}\u001b[31mred`)}, flush=True)`,
        `if step == 20 and rank == 0: raise ValueError(${JSON.stringify(HOSTILE)})`
      ]
    })
  ]);
  await waitForState(page, 1, 'Failed');
  await output(page, 1).getByText('<img src=x').first().waitFor();
  await saveInState(page, name, 1, 'Failed');
  await page.reload();
  await waitForState(page, 1, 'Failed');
  await shot(page, 'hostile');
  assert.equal(await page.evaluate(() => window.pwned), undefined, 'a pod ran a script');
  assert.equal(await output(page, 1).locator('img, script').count(), 0, 'a pod made an element');
});

await done();
