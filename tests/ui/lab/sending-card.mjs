// The output of a cell while it is packed, which the job's view replaces.
import {
  assert,
  openAndRun,
  card,
  done,
  eventually,
  createGate,
  output,
  run,
  saved,
  saveInState,
  scenario,
  shot,
  training,
  waitForState
} from './jupyter.mjs';

/** A value whose pickling waits for its gate. */
const held = file =>
  [
    'import pathlib, time',
    'class Held:',
    '    def __reduce__(self):',
    `        while not pathlib.Path(${JSON.stringify(file)}).exists(): time.sleep(0.01)`,
    '        return int, (7,)',
    'held = Held()'
  ].join('\n');

for (const theme of ['light', 'dark']) {
  await scenario(`a card is shown while the cell is packed, ${theme}`, async open => {
    const hold = createGate(`packed-${theme}`);
    const name = `packed-${theme}.ipynb`;
    const cells = [held(hold.file), '%%trainjob early --runtime plain\nheld'];
    const page = await openAndRun(open, name, cells, { theme });
    await run(page, 2, { wait: false });
    await output(page, 2).getByText('Packing').waitFor();
    assert.equal(await card(page, 2).count(), 0, 'no card before the job exists');
    await shot(page, `steps-packing-${theme}`);
    hold.open();
    await waitForState(page, 2, 'Complete');
    assert.equal(await output(page, 2).getByText('Packing').count(), 0, 'the view replaces the message');
    await saveInState(page, name, 2, 'Complete');
    const outputs = saved(name, 2).filter(each => each.data);
    assert.equal(outputs.length, 1, 'one output is saved, besides printed text');
  });
}

await scenario('a cell that runs again offers to stop its earlier job', async open => {
  const hold = createGate('again');
  const page = await openAndRun(open, 'again.ipynb', [
    training('again', { file: hold.file, options: '--runtime plain' })
  ]);
  await waitForState(page, 1, 'Running');
  await run(page, 1);
  const notice = output(page, 1).getByRole('region', { name: /^Earlier job again-/ });
  await notice.getByText('is still running and keeps its resources').waitFor();
  await shot(page, 'steps-again');
  await notice.getByRole('button', { name: 'Stop it' }).click();
  await notice.getByText('was stopped').waitFor();
  hold.open();
  await eventually(
    async () => (await output(page, 1).getByText('Complete').count()) > 0,
    'the new job continues'
  );
});

await done();
