// Saved outputs of jobs whose kernel is gone: live from the server, in notebooks that are trusted, while they are seen.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import {
  assert,
  begin,
  card,
  done,
  eventually,
  forgetKernels,
  gate,
  output,
  pictured,
  root,
  saveAs,
  scenario,
  shot,
  training,
  unattended,
  until
} from './jupyter.mjs';

await scenario(
  'steered from a notebook that is opened again, and a picture when it is deleted',
  async open => {
    const hold = gate('reopened');
    const name = 'reopened.ipynb';
    const first = await begin(open, name, [training('reopened', hold)]);
    await until(first, 1, 'Running');
    await saveAs(first, name, 1, 'Running');
    await first.close();
    await forgetKernels();

    const page = await open(name);
    await unattended(page, 1);
    await until(page, 1, 'Running');
    await output(page, 1).locator('canvas').first().waitFor();
    await shot(page, 'unattended');

    const other = await open(name, { theme: 'dark' });
    await unattended(other, 1);
    await card(page, 1).getByRole('button', { name: 'Stop' }).click();
    await card(page, 1).getByRole('button', { name: 'Stop job' }).click();
    await until(page, 1, 'Stopped');
    await until(other, 1, 'Stopped');

    await card(page, 1)
      .getByRole('button', { name: /^More actions/ })
      .click();
    await page.getByRole('menuitem', { name: /Delete/ }).click();
    await card(page, 1)
      .getByRole('button', { name: /^Delete/ })
      .last()
      .click();
    for (const each of [page, other]) {
      await pictured(each, 1);
      await output(each, 1).getByText('Saved picture. The job was deleted.', { exact: true }).waitFor();
    }
    await shot(page, 'unattended-deleted');
  }
);

await scenario('a notebook that nobody trusts shows its picture, and asks the server nothing', async open => {
  const name = 'stranger.ipynb';
  const notebook = JSON.parse(readFileSync(path.join(root, 'reopened.ipynb'), 'utf8'));
  notebook.cells[1].outputs.forEach(each => each.data && (each.data['text/plain'] = 'of somebody else'));
  writeFileSync(path.join(root, name), JSON.stringify(notebook));
  const asked = [];
  const page = await open(name, {
    before: fresh =>
      fresh.on('websocket', socket =>
        socket.on('framesent', ({ payload }) => String(payload).includes('"open"') && asked.push(payload))
      )
  });
  await eventually(async () => (await output(page, 1).locator('img').count()) > 0, 'no picture');
  assert.equal(await card(page, 1).count(), 0);
  assert.deepEqual(asked, []);
});

await done();
