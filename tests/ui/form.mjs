// The form of a new job: what it says in each of its states, and how it is filled in.
import { accessible, assert, everywhere, finish, scenes, shots, view } from './harness.mjs';
import { bigEnough, roomy, stops, told } from './reach.mjs';

const [WIDE, NARROW] = [700, 324];
const light = { theme: 'light', width: WIDE };

await everywhere(Object.keys(scenes), { widths: [WIDE, NARROW], prepare: page => answered(page) });

for (const name of ['form-problems', 'form-function', 'form-runtime']) {
  await view(name, { ...light, width: NARROW }, async page => {
    await answered(page);
    await page.locator('summary').click();
    await bigEnough(page);
    await roomy(page);
  });
}

await view('form', light, async page => {
  await answered(page);
  await page.locator('summary').click();
  await shots(page, 'form-more');
  await accessible(page);
  assert.deepEqual(await stops(page), [
    ...['What runs', 'Name', 'Runtime', 'Nodes', 'GPUs of each', 'CPUs of each', 'Memory of each', 'More'],
    ...['Ranks on each node', 'Image', 'Names to bring back', 'Secrets', 'Retries', 'Deadline', 'Storage'],
    ...['Environment', 'Run', 'Write into notebook']
  ]);
});

// What is wrong stands at its field, and stays there while the next answer is on its way.
await view('form-problems', light, async page => {
  await answered(page);
  const memory = page.getByRole('textbox', { name: 'Memory of each' });
  assert.equal(await memory.getAttribute('aria-invalid'), 'true');
  const described = await memory.getAttribute('aria-describedby');
  assert.match(await page.locator(`[id="${described}"]`).innerText(), /is not an amount of memory/);
  await memory.press('4');
  assert.match(await page.locator(`[id="${described}"]`).innerText(), /is not an amount of memory/);
});

// Nobody is told the line anew with every key.
await view('form', light, async page => {
  await answered(page);
  const said = await told(page, async () => {
    await page.getByRole('textbox', { name: 'Nodes' }).pressSequentially('23');
    await page.locator('.tj-button-first[aria-disabled=false]').waitFor();
  });
  assert.deepEqual(said, []);
});

/** The server's answer has come. */
async function answered(page) {
  await page.waitForFunction(() => {
    const line = document.querySelector('.tj-form-line');
    return line.textContent !== '…' || document.querySelector('.tj-form-end .tj-tone-bad') !== null;
  });
}

await finish();
