// Each context of a kubeconfig is chosen in the sidebar, which shows missing permissions or the error.
import { assert, done, more, reportStep, scenario, shot, openSidebar, stopJob, write } from '../jupyter.mjs';

const WORDS = [
  ['expired', 'The cluster rejected your credentials (Unauthorized): log in again'],
  ['helper-fails', 'the exec plugin in its kubeconfig, returned none.'],
  ['helper-missing', 'no-such-helper, the exec plugin in its kubeconfig, returned none.'],
  ['nobody', 'Check that the cluster runs and that this machine can reach it'],
  [more.hostile, 'Check that the cluster runs']
];

await scenario('every context shows its error and does not affect the others', async open => {
  const page = await open(write('contexts.ipynb', ['1 + 1']), { expected: /status of (4|5)\d\d/ });
  const panel = await openSidebar(page);
  const choose = name => panel.getByLabel('Cluster').selectOption(name);
  for (const [name, words] of WORDS) {
    await choose(name);
    await panel.getByText(words).waitFor();
    assert.equal(await panel.locator('.tj-row').count(), 0, `${name} shows jobs of another`);
    await shot(page, `faults-${name.replace(/\W/g, '')}`);
  }

  await choose('reader');
  const theirs = panel.locator('.tj-row', { hasText: 'theirs' });
  await theirs.waitFor();
  for (const what of ['list the namespaces of reader', 'see what is free on reader']) {
    await panel.getByText(`You may not ${what}`).waitFor();
  }
  await theirs.click();
  const card = page.locator('.tj-tab').getByRole('region', { name: 'Training job theirs' });
  await stopJob(card);
  await card.getByText(/cannot patch resource "trainjobs"/).waitFor();
  await shot(page, 'faults-reader');
  await reportStep('every context');

  await choose('trainjob-local');
  await panel.getByText(/kubeconfig/).waitFor();
  await shot(page, 'faults-broken');
  await panel.getByRole('button', { name: 'Start this cluster' }).waitFor();
  await reportStep('a broken kubeconfig');
  assert.equal(await page.evaluate(() => window.pwned), undefined, 'the name of a context was executed');
  assert.equal(await panel.locator('img').count(), 0, 'the name of a context became an element');
});

await done();
process.exit();
