// Saved outputs of jobs whose kernel is gone: live from the server, in notebooks that are trusted, while they are seen.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import {
  assert,
  card,
  done,
  eventually,
  execute,
  gate,
  leave,
  output,
  pictured,
  root,
  scenario,
  shot,
  stop,
  training,
  unattended,
  until
} from './jupyter.mjs';

/** What a page says on its streams, and how many of these it has had. */
function listen() {
  const sent = [];
  let count = 0;
  const before = page =>
    page.on('websocket', socket => {
      if (socket.url().includes('jupyter-trainjob/stream')) {
        count += 1;
        socket.on('framesent', ({ payload }) => sent.push(JSON.parse(payload)));
      }
    });
  return { before, sent, streams: () => count };
}

await scenario('steered from a notebook that is opened again, a picture when deleted', async open => {
  const hold = gate('reopened');
  const name = 'reopened.ipynb';
  await leave(open, name, training('reopened', hold));

  const heard = listen();
  const page = await open(name, heard);
  await unattended(page, 1);
  await until(page, 1, 'Running');
  await output(page, 1).locator('canvas').first().waitFor();
  await shot(page, 'unattended');

  await execute(page, 'launcher:create');
  await eventually(() => heard.sent.some(each => each.kind === 'end'), 'what nobody sees is told on');
  heard.sent.length = 0;
  await page.getByRole('tab', { name }).click();
  await eventually(() => heard.sent.some(each => each.kind === 'open'), 'what is seen again is not told');
  assert.equal(heard.streams(), 1, 'one stream for all of the page');

  const other = await open(name, { theme: 'dark' });
  await unattended(other, 1);
  await stop(card(page, 1));
  await until(page, 1, 'Stopped');
  await until(other, 1, 'Stopped');

  const menu = card(page, 1).getByRole('button', { name: /^More actions/ });
  await menu.click();
  await page.getByRole('menuitem', { name: /Delete/ }).click();
  const sure = card(page, 1).getByRole('button', { name: /^Delete/ });
  await sure.last().click();
  for (const each of [page, other]) {
    await pictured(each, 1);
    await output(each, 1).getByText('Saved picture. The job was deleted.', { exact: true }).waitFor();
  }
  await shot(page, 'unattended-deleted');
});

await scenario('a notebook that nobody trusts shows its picture, and asks the server nothing', async open => {
  const name = 'stranger.ipynb';
  const notebook = JSON.parse(readFileSync(path.join(root, 'reopened.ipynb'), 'utf8'));
  notebook.cells[1].outputs.forEach(each => each.data && (each.data['text/plain'] = 'of somebody else'));
  writeFileSync(path.join(root, name), JSON.stringify(notebook));
  const heard = listen();
  const page = await open(name, heard);
  await eventually(async () => (await output(page, 1).locator('img').count()) > 0, 'no picture');
  assert.equal(await card(page, 1).count(), 0);
  const asked = heard.sent.filter(each => each.kind === 'open');
  assert.deepEqual(asked, []);
});

await done();
