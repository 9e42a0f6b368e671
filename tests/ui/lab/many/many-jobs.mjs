// The sidebar with two thousand jobs. Also prints times of the page, which are not asserted.
import { assert, done, eventually, scenario, shot, openSidebar, write } from '../jupyter.mjs';

const COUNT = 2000;
/** The maximum number of rendered rows: invisible ones are not rendered. */
const DRAWN = 60;

await scenario('two thousand jobs are listed, filtered, sorted and changed', async open => {
  const page = await open(write('many.ipynb', ['1 + 1']));
  const bar = await openSidebar(page);
  const list = bar.getByRole('list', { name: 'Training jobs' });
  const rows = list.locator('.tj-row');
  const size = () => list.locator('[aria-setsize]').first().getAttribute('aria-setsize').then(Number);
  const holds = count => list.locator(`[aria-setsize="${count}"]`).first().waitFor();
  const few = async () =>
    assert.ok((await rows.count()) < DRAWN, `${await rows.count()} rows are in the page`);
  const name = place => list.locator(`[aria-posinset="${place}"] .tj-name`);
  const at = async () => page.evaluate(() => document.activeElement?.getAttribute('data-name'));
  const heap = await memory(page);

  const chosen = Date.now();
  await bar.getByLabel('Namespace').selectOption('many');
  await holds(COUNT);
  console.log(`first list: ${Date.now() - chosen} ms`);
  await few();
  await shot(page, 'many');

  // Scroll to the end and back, by wheel and keys.
  await rows.first().hover();
  await page.mouse.wheel(0, COUNT * 100);
  await name(COUNT).waitFor();
  await few();
  await rows.first().focus();
  await page.keyboard.press('Home');
  await eventually(async () => (await at()) === (await name(1).textContent()), 'Home leads to the first job');
  await page.keyboard.press('End');
  await eventually(
    async () => (await at()) === (await name(COUNT).textContent()),
    'End leads to the last job'
  );
  await few();

  // In the order of names, the job with a different name is the last.
  const sort = bar.getByLabel('Sort jobs');
  await sort.selectOption('name');
  await sort.focus();
  await page.keyboard.press('Tab');
  await eventually(
    async () => (await at()) !== null && (await at()) !== undefined,
    'Tab leads into the list'
  );
  await page.keyboard.press('Home');
  await eventually(async () => (await at()) === 'job-0001', 'the first by name');
  await page.keyboard.press('ArrowDown');
  await eventually(async () => (await at()) === 'job-0002', 'the second by name');
  await page.keyboard.press('End');
  await eventually(async () => (await at()) === 'needle', 'the last by name');

  const filter = bar.getByLabel('Filter jobs');
  await filter.focus();
  const painted = await paints(page);
  await page.keyboard.type('needle stopped');
  await holds(1);
  assert.equal(await name(1).textContent(), 'needle');
  for (let letters = 'needle stopped'.length; letters > 0; letters--) {
    await page.keyboard.press('Backspace');
  }
  await holds(COUNT);
  const times = await painted();
  assert.equal(times.length, 2 * 'needle stopped'.length, 'each key has been painted');
  console.log(`filter: ${times.map(each => each.toFixed(0)).join(' ')} ms`);

  // Changes of a job are shown wherever its row is.
  await filter.fill('job-1000');
  await holds(1);
  await rows.first().click({ button: 'right' });
  const resumed = Date.now();
  await page.getByRole('menuitem', { name: 'Resume Training Job' }).click();
  await list.getByRole('heading', { name: 'Waiting' }).waitFor();
  console.log(`a change: ${Date.now() - resumed} ms`);
  await filter.fill('');
  await holds(COUNT);
  assert.equal(await name(1).textContent(), 'job-1000', 'waiting jobs are before stopped ones');
  await list.getByRole('heading', { name: 'Stopped' }).getByText('1,999').waitFor();

  const more = (await memory(page)) - heap;
  console.log(`memory: ${(more / 1e6).toFixed(1)} MB`);
  assert.ok(more < 50e6, `the list takes ${more} bytes of the page`);
  assert.equal(await size(), COUNT);
});

await done();

/** The bytes of the page's JavaScript heap after a garbage collection. */
async function memory(page) {
  const session = await page.context().newCDPSession(page);
  await session.send('HeapProfiler.collectGarbage');
  const { usedSize } = await session.send('Runtime.getHeapUsage');
  await session.detach();
  return usedSize;
}

/** Records the milliseconds from each key that changes a text to the next paint. */
async function paints(page) {
  await page.evaluate(() => {
    window.paints = [];
    let pressed = 0;
    const after = new MessageChannel();
    after.port1.onmessage = () => window.paints.push(performance.now() - pressed);
    window.addEventListener('keydown', event => (pressed = event.timeStamp), true);
    window.addEventListener('input', () => requestAnimationFrame(() => after.port2.postMessage(null)), true);
  });
  return () => page.evaluate(() => new Promise(done => setTimeout(() => done(window.paints), 100)));
}
