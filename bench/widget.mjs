// The browser's end of `widget.py`: hosts the widget as anywidget does, passes messages between it and the kernel's end
// (a line of JSON each, stdin and stdout), and counts the frames that the page draws while somebody uses it.
//
//   node widget.mjs CHROMIUM WIDGET_JS WIDGET_CSS SECONDS
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

import { launch } from '../tests/ui/chromium.mjs';

const [chromium, js, css, seconds] = process.argv.slice(2);
const tell = message => process.stdout.write(`${JSON.stringify(message)}\n`);

const browser = await launch(chromium);
const page = await browser.newPage({ viewport: { width: 1000, height: 900 } });
page.on('pageerror', error => tell({ failed: String(error) }));
await page.exposeFunction('toKernel', message => tell({ ask: message }));
await page.setContent('<!doctype html><div id="cell"></div>');
await page.addStyleTag({ content: readFileSync(css, 'utf8') });

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const state = JSON.parse((await lines.next()).value);
await page.evaluate(host, [readFileSync(js, 'utf8'), state]);
const passing = (async () => {
  for await (const line of lines) {
    await page.evaluate(([content, buffers]) => window.take(content, buffers), JSON.parse(line));
  }
})();
await page.waitForSelector('.tj-chart canvas', { timeout: 60_000 });

for (const what of ['watching', 'pointing', 'zooming', 'every rank']) {
  if (what === 'every rank') {
    await page.getByRole('button', { name: 'Tools', exact: true }).click();
    await page.getByRole('combobox', { name: 'Ranks' }).selectOption('all');
    await page
      .getByText(/^each of/)
      .first()
      .waitFor({ timeout: 60_000 });
  }
  tell({ begins: what });
  tell({ what, frames: await page.evaluate(use, [what, Number(seconds)]) });
}
await browser.close();
await passing.catch(() => undefined);

/** In the page: the model that the widget talks to. */
async function host([code, first]) {
  const url = URL.createObjectURL(new Blob([code], { type: 'text/javascript' }));
  const widget = await (await import(url)).default();
  const handlers = new Map();
  let current = first;
  const emit = (event, ...values) => (handlers.get(event) ?? []).forEach(callback => callback(...values));
  const model = {
    get: name => (name === 'kind' ? 'job' : current),
    on: (event, callback) => handlers.set(event, [...(handlers.get(event) ?? []), callback]),
    off: () => undefined,
    send: message => window.toKernel(message)
  };
  window.take = (content, buffers) => {
    if (content.kind === 'state') {
      current = content.state;
      emit('change:state');
      return;
    }
    const bytes = buffers.map(text => new DataView(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer));
    emit('msg:custom', content, bytes);
  };
  await widget.initialize({ model });
  await widget.render({ model, el: document.getElementById('cell') });
}

/** In the page: uses the charts for some seconds; returns the frames of each second. */
function use([what, length]) {
  const over = document.querySelector('.tj-chart .u-over');
  const box = over.getBoundingClientRect();
  const began = performance.now();
  const counts = Array.from({ length }, () => 0);
  return new Promise(done => {
    let frame = 0;
    const next = () => {
      const second = Math.floor((performance.now() - began) / 1000);
      if (second >= length) {
        done(counts);
        return;
      }
      counts[second] += 1;
      frame += 1;
      const place = { bubbles: true, cancelable: true, clientY: box.top + 40 };
      const clientX = box.left + box.width * (0.5 + 0.45 * Math.sin(frame / 20));
      if (what === 'pointing' || what === 'every rank') {
        over.dispatchEvent(new PointerEvent('pointermove', { ...place, clientX }));
      } else if (what === 'zooming') {
        const deltaY = frame % 120 < 60 ? -40 : 40;
        over.dispatchEvent(new WheelEvent('wheel', { ...place, clientX, deltaY, ctrlKey: true }));
      }
      requestAnimationFrame(next);
    };
    requestAnimationFrame(next);
  });
}
