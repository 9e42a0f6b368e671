// The pictures of the README and the documentation, from the tested scenes.
import { STILL } from './pictures.mjs';
import { finish, pictures, withScene, WIDE } from './harness.mjs';

/** The margin around a cell in pixels. */
const GAP = 12;

/** A screenshot of the cell with its margin. */
async function screenshotOf(name, theme) {
  let png;
  await withScene(name, { theme }, async page => {
    png = await page.locator('body').screenshot(STILL);
  });
  return png;
}

const height = png => png.readUInt32BE(20);

const [light, dark] = [await screenshotOf('nodes-8', 'light'), await screenshotOf('nodes-8', 'dark')];
const both = [
  [light, 0, 0],
  [dark, WIDE, 0]
];
await pictures.compare('running', await pictures.joined(both));

const [failed, list, many] = [
  await screenshotOf('failed', 'light'),
  await screenshotOf('panel', 'light'),
  await screenshotOf('nodes-64', 'light')
];
const others = [
  [failed, 0, 0],
  [list, 0, height(failed) - GAP],
  [many, WIDE - GAP, 0]
];
await pictures.compare('others', await pictures.joined(others));

await finish();
