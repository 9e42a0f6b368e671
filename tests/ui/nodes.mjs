// The nodes of a job: few, many, slow, failed; by mouse and by keyboard.
import { assert, expectCount, checkInAllThemes, finish, scenes, shot, shots, withScene } from './harness.mjs';

await checkInAllThemes(['nodes-8', 'nodes-64', 'nodes-states']);
await checkInAllThemes(Object.keys(scenes), {
  label: '-whole',
  prepare: page => page.getByRole('tab', { name: 'Nodes' }).click()
});

const focused = page => page.evaluate(() => document.activeElement.querySelector('b')?.textContent);

await withScene('nodes-64', { theme: 'light' }, async page => {
  const tiles = page.getByRole('listbox', { name: 'Nodes' }).getByRole('option');
  await expectCount(tiles, 64);
  assert.match(await page.locator('.tj-tally').textContent(), /^64 nodes: 64 running; slow: 5, 41$/);
  await page.getByRole('option', { name: /^node 5 61 ms slow/ }).waitFor();
  assert.equal(await tiles.nth(5).locator('.tj-node-note').getAttribute('title'), '61 ms slow');
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
  await page.setViewportSize({ width: 1000, height: 900 });
  await tiles.nth(5).focus();
  await page.keyboard.press('ArrowDown');
  assert.equal(await focused(page), 'node 14', 'the tile below, in an incomplete last row');
  await page.setViewportSize({ width: 860, height: 900 });
  await page.keyboard.press('End');
  await page.keyboard.press('Enter');
  assert.equal(await page.getByRole('tab', { name: 'Nodes' }).getAttribute('aria-selected'), 'true');
  assert.equal(await focused(page), 'node 63', 'the focus stays');
  await page.getByText('digits-x7k2p-node-0-63-abcde').waitFor();
  const inside = await tiles.nth(63).evaluate(tile => {
    const [tileAt, gridAt] = [tile, tile.parentElement].map(node => node.getBoundingClientRect());
    return tileAt.bottom <= gridAt.bottom + 3;
  });
  assert.ok(inside, 'the focused tile is visible');
});

/** Checks that the tiles are a grid of equal size, that no text is cut off, and that nothing scrolls. */
async function expectGrid(page, when) {
  const layout = await page.locator('.tj-nodes-grid').evaluate(grid => {
    const tiles = [...grid.children];
    const sizes = new Set(tiles.map(tile => `${tile.offsetWidth} × ${tile.offsetHeight}`));
    const columns = new Set(tiles.map(tile => tile.offsetLeft)).size;
    const inFirstRow = tiles.filter(tile => tile.offsetTop === tiles[0].offsetTop).length;
    const texts = tiles.flatMap(tile => [...tile.querySelectorAll('b, .tj-node-note')]);
    const cut = texts.filter(each => each.scrollWidth > each.clientWidth);
    const scrolls = grid.scrollHeight > grid.clientHeight && getComputedStyle(grid).overflowY !== 'visible';
    return {
      sizes: [...sizes],
      isGrid: columns === inFirstRow,
      cut: cut.map(each => each.textContent),
      scrolls
    };
  });
  assert.equal(layout.sizes.length, 1, `${when}: tiles of ${layout.sizes.join(', ')}`);
  assert.deepEqual({ ...layout, sizes: [] }, { sizes: [], isGrid: true, cut: [], scrolls: false }, when);
}

for (const name of ['nodes-8', 'nodes-12', 'nodes-64']) {
  await withScene(name, { theme: 'light' }, async page => {
    for (const width of [1400, 860, 720, 600, 400]) {
      await page.setViewportSize({ width, height: 900 });
      await expectGrid(page, `${name} at ${width}`);
      await shots(page, `${name}-tidy-${width}`);
      await page.getByRole('tab', { name: 'Nodes' }).click();
      await expectGrid(page, `${name}, whole, at ${width}`);
      await shot(page, `${name}-whole-tidy-${width}`);
      await page.getByRole('tab', { name: 'Curves' }).click();
    }
  });
}

await withScene('nodes-8', { theme: 'light' }, async page => {
  const heights = () => page.locator('.tj-node').evaluateAll(all => all.map(tile => tile.offsetTop));
  const before = await heights();
  assert.equal(new Set(before).size, 1, 'eight tiles fit in a row');
  const { nodes: all } = scenes['nodes-8'].messages
    .map(([content]) => content)
    .find(({ kind }) => kind === 'nodes');
  await page.evaluate(recorded => {
    const nodes = recorded.map((node, i) => ({
      ...node,
      ranks: [{ ...node.ranks[0], step_time: i === 2 ? 0.123 : 0.0091, slow: i === 2 }]
    }));
    window.receive({ kind: 'nodes', seq: 99, reset: true, nodes });
  }, all);
  await page.getByText('123 ms slow').waitFor();
  assert.deepEqual(await heights(), before, 'new numbers do not change the height');
});

await finish();
