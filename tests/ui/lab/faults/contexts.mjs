// Each context of a kubeconfig is chosen in the sidebar: it says what it may not see, or why there is nothing to see.
import { assert, done, more, say, scenario, shot, sidebar, stop, write } from '../jupyter.mjs';

const WORDS = [
  ['expired', 'does not take your credentials (Unauthorized): log in again'],
  ['helper-fails', 'which its kubeconfig runs to get them, gave none. Log in as for kubectl'],
  ['helper-missing', 'no-such-helper, which its kubeconfig runs to get them, gave none'],
  ['nobody', 'Check that the cluster runs and that this machine can reach it'],
  [more.hostile, 'Check that the cluster runs']
];

await scenario('every context says what is wrong, and none stands in the way of another', async open => {
  const page = await open(write('contexts.ipynb', ['1 + 1']), { expected: /status of (4|5)\d\d/ });
  const panel = await sidebar(page);
  const choose = name => panel.getByLabel('Cluster').selectOption(name);
  for (const [name, words] of WORDS) {
    await choose(name);
    await panel.getByText(words).waitFor();
    assert.equal(await panel.locator('[data-uid]').count(), 0, `${name} shows jobs of another`);
    await shot(page, `faults-${name.replace(/\W/g, '')}`);
  }

  await choose('reader');
  const theirs = panel.locator('[data-uid]', { hasText: 'theirs' });
  await theirs.waitFor();
  for (const what of ['list the namespaces of reader', 'see what is free on reader']) {
    await panel.getByText(`You may not ${what}`).waitFor();
  }
  await theirs.click();
  const card = page.locator('.tj-tab').getByRole('region', { name: 'Training job theirs' });
  await stop(card);
  await card.getByText(/cannot patch resource "trainjobs"/).waitFor();
  await shot(page, 'faults-reader');
  await say('every context');

  await choose('trainjob-local');
  await panel.getByText(/kubeconfig/).waitFor();
  await shot(page, 'faults-broken');
  await panel.getByRole('button', { name: 'Start this cluster' }).waitFor();
  await say('a broken kubeconfig');
  assert.equal(await page.evaluate(() => window.pwned), undefined, 'a name of a context ran');
  assert.equal(await panel.locator('img').count(), 0, 'a name of a context made an element');
});

await done();
process.exit();
