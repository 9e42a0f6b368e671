// Reference pictures of pages: `pictures/NAME.png`. A screenshot is compared with the reference of its name in the
// browser, pixel by pixel; if they differ, it is written to build/pictures/. To add a reference, create an empty file of
// its name and renew the references: TRAINJOB_PICTURES=renew.
//
// Fonts differ between machines. If the sample of letters looks different here, nothing is compared.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { crc32, deflateSync } from 'node:zlib';

import { patience } from './chromium.mjs';

const here = import.meta.dirname;
const REFERENCES = path.join(here, 'pictures');
const FRESH = path.join(here, '../../build/pictures');
const RENEW = 'TRAINJOB_PICTURES=renew python -m pytest tests/ui -k in_chromium';
/** Whether the references are renewed: other checks are skipped. */
export const renewing = process.env.TRAINJOB_PICTURES === 'renew';
/** The share of pixels that may differ clearly. */
const SHARE = 0.005;
/** The difference of a channel (0 to 255) from which a pixel differs clearly. */
const CLEARLY = 32;

/** The time that a page may take to look like its reference. */
const SETTLE_MS = patience(10_000);

const SAMPLE = `<!doctype html><body style="margin:0;background:white;color:black"><div id="letters" style="width:400px;padding:4px">
  <p style="font:13px system-ui,sans-serif">Hamburgefonstiv 0123456789 ✓ · × ⋯ … <b>Running digits-x7k2p</b></p>
  <p style="font:12px sans-serif">mean and range of 8 ranks <b>0.1840</b></p>
  <p style="font:12px monospace">21:14:07 0 epoch 3 loss 0.191 <b>ValueError</b></p></div>`;

/** Options of screenshots: no animations, no caret. */
export const STILL = { animations: 'disabled', caret: 'hide', scale: 'css' };

/** The reference pictures of one run; `browser` decodes and compares them. */
export function album(browser) {
  const problems = [];
  let workPage;
  let lettersMatch;

  const open = async () => (workPage ??= await browser.newPage());

  async function writeReference(file, png) {
    writeFileSync(file, small(await (await open()).evaluate(reduced, png.toString('base64'))));
  }

  async function letters() {
    const page = await browser.newPage();
    await page.setContent(SAMPLE);
    const sample = await page.locator('#letters').screenshot(STILL);
    await page.close();
    const file = path.join(REFERENCES, 'letters.png');
    if (renewing) {
      await writeReference(file, sample);
    }
    const why = existsSync(file)
      ? await (await open()).evaluate(difference, pair(file, sample, SHARE))
      : 'there is no sample';
    if (why !== '') {
      console.log(`pictures are not compared: letters look different here (${why})`);
    }
    return why === '';
  }

  return {
    problems,

    /** Whether there is a reference of that name. */
    keeps: name => existsSync(path.join(REFERENCES, `${name}.png`)),

    /** Compares a picture with its reference, or renews that; ignores one without a reference. `again` takes another. */
    async compare(name, png, again) {
      const file = path.join(REFERENCES, `${name}.png`);
      if (!existsSync(file) || !(await (lettersMatch ??= letters()))) {
        return;
      }
      if (renewing) {
        await writeReference(file, png);
        return;
      }
      const page = await open();
      let why = await page.evaluate(difference, pair(file, png, SHARE));
      // The page may not have been redrawn yet.
      for (const end = Date.now() + SETTLE_MS; why !== '' && again && Date.now() < end;) {
        png = await again();
        why = await page.evaluate(difference, pair(file, png, SHARE));
      }
      if (why !== '') {
        mkdirSync(FRESH, { recursive: true });
        writeFileSync(path.join(FRESH, `${name}.png`), png);
        problems.push(
          `${name} looks different: ${why}. Now: build/pictures/${name}.png, before: tests/ui/pictures/${name}.png. ` +
            `If this is intended, renew the references: ${RENEW}`
        );
      }
    },

    /** Joins pictures, each with the position of its upper left corner, on white. */
    async joined(placed) {
      const url = await (
        await open()
      ).evaluate(
        join,
        placed.map(([png, x, y]) => [png.toString('base64'), x, y])
      );
      return Buffer.from(url.split(',')[1], 'base64');
    }
  };
}

function pair(file, png, share) {
  return {
    before: readFileSync(file).toString('base64'),
    now: png.toString('base64'),
    share,
    clearly: CLEARLY
  };
}

/** A PNG of at most 256 colours. */
function small({ width, height, colours, indices }) {
  const pixels = Buffer.from(indices, 'base64');
  const rows = Buffer.alloc(height * (width + 1)); // Each row begins with a zero: it is not filtered.
  for (let y = 0; y < height; y++) {
    pixels.copy(rows, y * (width + 1) + 1, y * width, (y + 1) * width);
  }
  const chunk = (type, data) => {
    const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
    const [length, sum] = [Buffer.alloc(4), Buffer.alloc(4)];
    length.writeUInt32BE(data.length);
    sum.writeUInt32BE(crc32(body));
    return Buffer.concat([length, body, sum]);
  };
  const head = Buffer.from([0, 0, 0, 0, 0, 0, 0, 0, 8, 3, 0, 0, 0]);
  head.writeUInt32BE(width, 0);
  head.writeUInt32BE(height, 4);
  return Buffer.concat([
    Buffer.from('\x89PNG\r\n\x1a\n', 'latin1'),
    chunk('IHDR', head),
    chunk('PLTE', Buffer.from(colours.flat())),
    chunk('IDAT', deflateSync(rows, { level: 9 })),
    chunk('IEND', Buffer.alloc(0))
  ]);
}

/** In the page: reduces a picture to its 256 most frequent colours; other colours become the nearest of them. */
async function reduced(base64) {
  const image = new Image();
  image.src = `data:image/png;base64,${base64}`;
  await image.decode();
  const [width, height] = [image.naturalWidth, image.naturalHeight];
  const context = new OffscreenCanvas(width, height).getContext('2d');
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  const counts = new Map();
  const at = i => (data[4 * i] << 16) | (data[4 * i + 1] << 8) | data[4 * i + 2];
  for (let i = 0; i < width * height; i++) {
    counts.set(at(i), (counts.get(at(i)) ?? 0) + 1);
  }
  const parts = colour => [colour >> 16, (colour >> 8) & 255, colour & 255];
  const often = [...counts].sort((a, b) => b[1] - a[1]).map(([colour]) => colour);
  const colours = often.slice(0, 256).map(parts);
  const far = (a, b) => (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 + (a[2] - b[2]) ** 2;
  const index = new Map();
  for (const colour of often) {
    const exact = parts(colour);
    let best = 0;
    colours.forEach((each, i) => (best = far(each, exact) < far(colours[best], exact) ? i : best));
    index.set(colour, best);
  }
  let indices = '';
  for (let i = 0; i < width * height; i++) {
    indices += String.fromCharCode(index.get(at(i)));
  }
  return { width, height, colours, indices: btoa(indices) };
}

/** In the page: describes how two pictures differ; empty if they are alike. */
async function difference({ before, now, share, clearly }) {
  const pixels = async base64 => {
    const image = new Image();
    image.src = `data:image/png;base64,${base64}`;
    await image.decode();
    const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
    const context = canvas.getContext('2d');
    context.drawImage(image, 0, 0);
    return context.getImageData(0, 0, canvas.width, canvas.height);
  };
  if (before === '') {
    return 'the reference is empty';
  }
  const [a, b] = [await pixels(before), await pixels(now)];
  if (a.width !== b.width || a.height !== b.height) {
    return `${b.width} × ${b.height} instead of ${a.width} × ${a.height} pixels`;
  }
  let differing = 0;
  for (let i = 0; i < a.data.length; i += 4) {
    const far = [0, 1, 2].some(channel => Math.abs(a.data[i + channel] - b.data[i + channel]) > clearly);
    differing += far ? 1 : 0;
  }
  const part = differing / (a.width * a.height);
  return part > share ? `${(part * 100).toFixed(2)} % of its pixels` : '';
}

/** In the page: draws pictures onto one canvas. */
async function join(placed) {
  const images = await Promise.all(
    placed.map(async ([base64, x, y]) => {
      const image = new Image();
      image.src = `data:image/png;base64,${base64}`;
      await image.decode();
      return [image, x, y];
    })
  );
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(...images.map(([image, x]) => x + image.naturalWidth));
  canvas.height = Math.max(...images.map(([image, , y]) => y + image.naturalHeight));
  const context = canvas.getContext('2d');
  context.fillStyle = 'white';
  context.fillRect(0, 0, canvas.width, canvas.height);
  images.forEach(([image, x, y]) => context.drawImage(image, x, y));
  return canvas.toDataURL('image/png');
}
