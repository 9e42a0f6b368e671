// Saved outputs of jobs whose kernel is gone: live from the server while they are visible, if the notebook is trusted.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

import {
  assert,
  card,
  done,
  eventually,
  execute,
  createGate,
  leaveRunning,
  output,
  expectPicture,
  root,
  scenario,
  shot,
  stopJob,
  training,
  expectLiveFromServer,
  waitForState
} from './jupyter.mjs';

/** Records the messages that a page sends on its streams, and the number of streams. */
function recordStreams() {
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

await scenario(
  'a job is controlled from a reopened notebook, and a picture after its deletion',
  async open => {
    const hold = createGate('reopened');
    const name = 'reopened.ipynb';
    await leaveRunning(open, name, training('reopened', hold));

    const recorded = recordStreams();
    const page = await open(name, recorded);
    await expectLiveFromServer(page, 1);
    await waitForState(page, 1, 'Running');
    await output(page, 1).locator('canvas').first().waitFor();
    await shot(page, 'unattended');

    await execute(page, 'launcher:create');
    await eventually(
      () => recorded.sent.some(each => each.kind === 'end'),
      'an invisible output still has its channel'
    );
    recorded.sent.length = 0;
    await page.getByRole('tab', { name }).click();
    await eventually(
      () => recorded.sent.some(each => each.kind === 'open'),
      'a visible output has no channel'
    );
    assert.equal(recorded.streams(), 1, 'one stream for the whole page');

    const other = await open(name, { theme: 'dark' });
    await expectLiveFromServer(other, 1);
    await stopJob(card(page, 1));
    await waitForState(page, 1, 'Stopped');
    await waitForState(other, 1, 'Stopped');

    const menu = card(page, 1).getByRole('button', { name: /^More actions/ });
    await menu.click();
    await page.getByRole('menuitem', { name: /Delete/ }).click();
    const confirm = card(page, 1).getByRole('button', { name: /^Delete/ });
    await confirm.last().click();
    for (const each of [page, other]) {
      await expectPicture(each, 1);
      await output(each, 1).getByText('Saved picture. The job was deleted.', { exact: true }).waitFor();
    }
    await shot(page, 'unattended-deleted');
  }
);

await scenario('an untrusted notebook shows the picture and sends no requests', async open => {
  const name = 'stranger.ipynb';
  const notebook = JSON.parse(readFileSync(path.join(root, 'reopened.ipynb'), 'utf8'));
  notebook.cells[1].outputs.forEach(each => each.data && (each.data['text/plain'] = 'of somebody else'));
  writeFileSync(path.join(root, name), JSON.stringify(notebook));
  const recorded = recordStreams();
  const page = await open(name, recorded);
  await eventually(async () => (await output(page, 1).locator('img').count()) > 0, 'no picture');
  assert.equal(await card(page, 1).count(), 0);
  const requests = recorded.sent.filter(each => each.kind === 'open');
  assert.deepEqual(requests, []);
});

await done();
