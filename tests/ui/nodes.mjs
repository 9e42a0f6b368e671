// The nodes of a job: a few, many, slow, failed; by mouse and by keyboard.
import { assert, counted, everywhere, finish, scenes, view } from './harness.mjs';

await everywhere(['nodes-8', 'nodes-64', 'nodes-states']);
await everywhere(Object.keys(scenes), {
  label: '-whole',
  prepare: page => page.getByRole('tab', { name: 'Nodes' }).click()
});

const focused = page => page.evaluate(() => document.activeElement.querySelector('b')?.textContent);

await view('nodes-64', { theme: 'light' }, async page => {
  const tiles = page.getByRole('listbox', { name: 'Nodes' }).getByRole('option');
  await counted(tiles, 64);
  assert.match(await page.locator('.tj-tally').textContent(), /^64 nodes: 64 running; slow: 5, 41$/);
  await tiles.nth(5).focus();
  for (const [key, name] of [
    ['ArrowDown', 'node 13'],
    ['ArrowRight', 'node 14'],
    ['End', 'node 63'],
    ['ArrowDown', 'node 63'],
    ['ArrowUp', 'node 55'],
    ['Home', 'node 0']
  ]) {
    await page.keyboard.press(key);
    assert.equal(await focused(page), name, key);
  }
  await page.keyboard.press('End');
  await page.keyboard.press('Enter');
  assert.equal(await page.getByRole('tab', { name: 'Nodes' }).getAttribute('aria-selected'), 'true');
  assert.equal(await focused(page), 'node 63', 'the focus stays');
  await page.getByText('digits-x7k2p-node-0-63-abcde').waitFor();
  const inside = await tiles.nth(63).evaluate(tile => {
    const [tileAt, gridAt] = [tile, tile.parentElement].map(node => node.getBoundingClientRect());
    return tileAt.bottom <= gridAt.bottom + 3;
  });
  assert.ok(inside, 'the focused tile is in sight');
});

await view('nodes-8', { theme: 'light' }, async page => {
  const heights = () => page.locator('.tj-node').evaluateAll(all => all.map(tile => tile.offsetTop));
  const before = await heights();
  assert.equal(new Set(before).size, 1, 'eight fit a row');
  const { nodes: all } = scenes['nodes-8'].messages
    .map(([content]) => content)
    .find(({ kind }) => kind === 'nodes');
  await page.evaluate(given => {
    const nodes = given.map((node, i) => ({
      ...node,
      ranks: [{ ...node.ranks[0], step_time: i === 2 ? 0.123 : 0.0091, slow: i === 2 }]
    }));
    window.say({ kind: 'nodes', seq: 99, reset: true, nodes });
  }, all);
  await page.getByText('123 ms slow').waitFor();
  assert.deepEqual(await heights(), before, 'numbers do not jump');
});

await finish();
