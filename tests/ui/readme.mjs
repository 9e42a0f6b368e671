// The pictures that the README shows, of the same scenes that are tested.
import { STILL } from './pictures.mjs';
import { finish, pictures, view, WIDE } from './harness.mjs';

/** Around a cell. */
const GAP = 12;

/** The cell with what is around it. */
async function taken(name, theme) {
  let png;
  await view(name, { theme }, async page => {
    png = await page.locator('body').screenshot(STILL);
  });
  return png;
}

const height = png => png.readUInt32BE(20);

const [light, dark] = [await taken('nodes-8', 'light'), await taken('nodes-8', 'dark')];
const both = [
  [light, 0, 0],
  [dark, WIDE, 0]
];
await pictures.compare('running', await pictures.joined(both));

const [failed, list, many] = [
  await taken('failed', 'light'),
  await taken('panel', 'light'),
  await taken('nodes-64', 'light')
];
const others = [
  [failed, 0, 0],
  [list, 0, height(failed) - GAP],
  [many, WIDE - GAP, 0]
];
await pictures.compare('others', await pictures.joined(others));

await finish();
