// The form of a new job: its texts in each state, and how it is filled in.
import { expectAxePasses, assert, checkInAllThemes, finish, scenes, shots, withScene } from './harness.mjs';
import {
  expectLargeTargets,
  expectRoomForText,
  tabStops,
  announcementsDuring,
  expectNothingCut
} from './accessibility.mjs';

/** Widths in pixels; a page of 400 pixels at a zoom of 200 % has 200. */
const [WIDE, NARROW, ZOOMED] = [700, 324, 200];
const light = { theme: 'light', width: WIDE };

await checkInAllThemes(Object.keys(scenes), { widths: [WIDE, NARROW], prepare: page => waitForAnswer(page) });

for (const name of ['form-problems', 'form-function', 'form-runtime', 'form-confirm', 'form-sent']) {
  await withScene(name, { ...light, width: NARROW }, async page => {
    await waitForAnswer(page);
    await page.locator('summary').click();
    await expectLargeTargets(page);
    await page.setViewportSize({ width: ZOOMED, height: 450 });
    await expectNothingCut(page, `in a page of 400 pixels at 200 %`);
    await page.setViewportSize({ width: NARROW, height: 900 });
    await expectRoomForText(page);
  });
}

await withScene('form', light, async page => {
  await waitForAnswer(page);
  await page.locator('summary').click();
  await shots(page, 'form-more');
  await expectAxePasses(page);
  assert.deepEqual(await tabStops(page), [
    ...['Cluster', 'Namespace', 'Code to run', 'Name', 'Runtime', 'Nodes', 'GPUs per node', 'CPUs per node'],
    ...[
      'Memory per node',
      'More',
      'Processes per node',
      'Image',
      'Environment',
      'Deadline',
      'Retries',
      'Names to bring back',
      'Secrets',
      'Storage'
    ],
    ...['Run', 'Write into notebook']
  ]);
});

// A problem is shown at its field, also while the next answer is requested.
await withScene('form-problems', light, async page => {
  await waitForAnswer(page);
  const memory = page.getByRole('textbox', { name: 'Memory per node' });
  assert.equal(await memory.getAttribute('aria-invalid'), 'true');
  const described = await memory.getAttribute('aria-describedby');
  assert.match(await page.locator(`[id="${described}"]`).innerText(), /is not an amount of memory/);
  await memory.press('4');
  assert.match(await page.locator(`[id="${described}"]`).innerText(), /is not an amount of memory/);
});

// The confirmation names the destination, and focuses the safe choice.
await withScene('form-confirm', light, async page => {
  await waitForAnswer(page);
  await page.getByText(/Send this job to the cluster gpu-cluster-eu-west, namespace research\?/).waitFor();
  assert.equal(await page.locator(':focus').innerText(), 'Do not send');
  await page.getByRole('button', { name: 'Send to gpu-cluster-eu-west' }).click();
  await page.keyboard.press('Tab');
  await page.getByRole('button', { name: 'Do not send' }).click();
  const kinds = await page.evaluate(() => window.sent.map(each => each.kind));
  assert.deepEqual(kinds.slice(-2), ['confirm', 'refuse']);
});

// A function's call names the parameters without a value.
await withScene('form-blank', light, async page => {
  await waitForAnswer(page);
  const call = page.getByRole('textbox', { name: 'Call' });
  assert.equal(await call.inputValue(), 'fit(steps=…)');
  assert.equal(await call.getAttribute('aria-invalid'), 'true');
  await page.getByText('Replace … with a value for steps.').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Run' }).getAttribute('aria-disabled'), 'true');
});

// After sending, the form links to the job and to its cell.
await withScene('form-sent', light, async page => {
  await waitForAnswer(page);
  await page.getByText('Job sent.').waitFor();
  await page.getByRole('button', { name: 'Open job' }).click();
  await page.getByRole('button', { name: 'Go to cell' }).click();
  const kinds = await page.evaluate(() => window.sent.map(each => each.kind));
  assert.deepEqual(kinds.slice(-2), ['open job', 'go to cell']);
});

// Typing does not announce the line with every key.
await withScene('form', light, async page => {
  await waitForAnswer(page);
  const announced = await announcementsDuring(page, async () => {
    await page.getByRole('textbox', { name: 'Nodes' }).pressSequentially('23');
    await page.locator('.tj-button-first[aria-disabled=false]').waitFor();
  });
  assert.deepEqual(announced, []);
});

/** Waits for the server's answer. */
async function waitForAnswer(page) {
  await page.waitForFunction(() => {
    const line = document.querySelector('.tj-form-line');
    return line.textContent !== '…' || document.querySelector('.tj-form-end .tj-tone-bad') !== null;
  });
}

await finish();
