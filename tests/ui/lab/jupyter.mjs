// Drives JupyterLab and Notebook 7 in Chromium as a person does: opens notebooks, runs cells, looks at what they show.
// Each `<topic>.mjs` beside this file is run by itself:
//
//   node watch.mjs '{"url": …, "token": …, "root": …, "chromium": …, "screenshots": …}'
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';

import { launch } from '../chromium.mjs';

const { url, token, root, chromium, screenshots, ...more } = JSON.parse(process.argv[2]);
const browser = await launch(chromium);

export { assert, more, root };
export const JOB = 'application/vnd.jupyter-trainjob.v1+json';
export const VIEW = 'application/vnd.jupyter.widget-view+json';
/** Jobs start processes: minutes on a busy machine, though seconds on an idle one. */
const TIMEOUT = 45_000;
/** What complaints of a page are about us: our own files, the widget's code, which is a blob, and who runs it. */
const OURS = /trainjob|tj-|blob:|widget/i;

/** The embedded cluster runs only when the first job is sent; the sidebar has asked for it before. */
const NO_CLUSTER_YET = /status of 502/;

/** Writes a notebook of these cells, and returns its name. */
export function write(name, cells) {
  const notebook = {
    cells: cells.map((source, index) => ({
      cell_type: 'code',
      id: `cell-${index}`,
      execution_count: null,
      metadata: {},
      outputs: [],
      source
    })),
    metadata: {
      kernelspec: {
        display_name: 'Python 3',
        language: 'python',
        name: 'python3'
      }
    },
    nbformat: 4,
    nbformat_minor: 5
  };
  writeFileSync(path.join(root, name), JSON.stringify(notebook));
  return name;
}

/** What was saved: the outputs of a cell, as a reader of the file finds them. */
export function saved(name, cell) {
  return JSON.parse(readFileSync(path.join(root, name), 'utf8')).cells[cell].outputs;
}

/** A file that a job waits for, so that it runs exactly as long as the test wants. */
export function gate(name) {
  const file = path.join(root, `${name}.gate`);
  rmSync(file, { force: true });
  return { file, open: () => writeFileSync(file, '') };
}

/** A cell that trains until its gate opens. */
export function training(name, { file, options = '--nodes 2', lines = [] }) {
  return [
    `%%trainjob ${name} ${options}`,
    'import os, pathlib, time',
    'from jupyter_trainjob import report',
    'rank = int(os.environ.get("RANK", "0"))',
    'for step in range(1, 2001):',
    '    report(step=step, total=2000, loss=2.0 / step, accuracy=1 - 1 / step)',
    '    if step % 20 == 0:',
    '        print(f"step {step} of rank {rank}", flush=True)',
    ...lines.map(line => `    ${line}`),
    `    if pathlib.Path(${JSON.stringify(file)}).exists():`,
    '        break',
    '    time.sleep(0.02)'
  ].join('\n');
}

/** Opens a notebook in a fresh browser profile. `host`: lab or notebook; without `login`, `before` does that. */
export async function open(
  name,
  { host = 'lab', theme = 'light', login = true, before, expected = NO_CLUSTER_YET } = {}
) {
  const context = await browser.newContext({
    viewport: { width: 1100, height: 1000 },
    colorScheme: theme
  });
  const page = await context.newPage();
  page.setDefaultTimeout(TIMEOUT);
  await before?.(page);
  const complaints = [];
  const note = (...words) =>
    words.some(each => OURS.test(each)) &&
    !words.some(each => expected.test(each)) &&
    complaints.push(words.join(' '));
  page.on('pageerror', error => note(String(error.stack)));
  page.on('console', message => {
    if (message.type() === 'error') {
      note(message.text(), message.location().url);
    }
  });
  const place = host === 'lab' ? `lab/workspaces/${Date.now()}/tree/${name}` : `notebooks/${name}`;
  await page.goto(`${url}/${place}${login ? `?token=${token}` : ''}`);
  await ready(page);
  return { page, complaints, close: () => context.close() };
}

/** Waits until the notebook is there and its kernel answers. */
export async function ready(page) {
  await page.waitForFunction(
    () => {
      const panel = window.jupyterapp?.shell.currentWidget;
      return (
        panel?.content?.model?.cells.length > 0 && panel.sessionContext.session?.kernel?.status === 'idle'
      );
    },
    null,
    { timeout: TIMEOUT }
  );
}

/** Opens a new notebook whose first cell loads the extension, and runs that and the first of `cells`. */
export async function begin(open, name, cells, options) {
  const page = await open(write(name, ['%load_ext jupyter_trainjob', ...cells]), options);
  await run(page, 0);
  await run(page, 1);
  return page;
}

/** Leaves a notebook whose job runs on: saved, closed, and without its kernel. */
export async function leave(open, name, cell) {
  const page = await begin(open, name, [cell]);
  await until(page, 1, 'Running');
  await saveAs(page, name, 1, 'Running');
  await page.close();
  await forgetKernels();
}

/** Runs a cell; waits for its end unless told not to. */
export async function run(page, cell, { wait = true } = {}) {
  await page.evaluate(
    async ([index, awaited]) => {
      const { shell, commands } = window.jupyterapp;
      shell.currentWidget.content.activeCellIndex = index;
      const done = commands.execute('notebook:run-cell');
      if (awaited) {
        await done;
      }
    },
    [cell, wait]
  );
}

/** Whether a cell runs: the kernel's own status is also that of what it hears meanwhile. */
export const runs = async (page, cell) =>
  (await page.locator('.jp-Notebook .jp-CodeCell .jp-InputPrompt').nth(cell).textContent()) === '[*]:';

/** Does a command. */
export const execute = (page, command, args = {}) =>
  page.evaluate(
    ([id, given]) => window.jupyterapp.commands.execute(id, given).then(() => null),
    [command, args]
  );

/** Shows the list of jobs in Lab's left area, and returns it. */
export async function sidebar(page) {
  await page.getByRole('tab', { name: 'Training jobs' }).click();
  return page.locator('.tj-sidebar');
}

/** Stops the job of a card, as who is sure. */
export async function stop(where) {
  await where.getByRole('button', { name: 'Stop' }).click();
  await where.getByRole('button', { name: 'Stop job' }).click();
}

export const restart = page =>
  page.evaluate(() => window.jupyterapp.shell.currentWidget.sessionContext.restartKernel().then(() => null));

export const shutdown = page =>
  page.evaluate(() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown().then(() => null));

/** Ends every kernel of the server, as a restarted computer would have. */
export async function forgetKernels() {
  const headers = { Authorization: `token ${token}` };
  for (const session of await (await fetch(`${url}/api/sessions`, { headers })).json()) {
    await fetch(`${url}/api/sessions/${session.id}`, {
      method: 'DELETE',
      headers
    });
  }
}

/** What a cell shows. */
export const output = (page, cell) =>
  page.locator('.jp-Notebook .jp-CodeCell').nth(cell).locator('.jp-OutputArea');

export const card = (page, cell) => output(page, cell).locator('.tj-card').first();
export const picture = (page, cell) => output(page, cell).locator('.tj-output img').first();

/** Saves the notebook until a job's output in it is of this state, which the kernel tells shortly after the card. */
export async function saveAs(page, name, cell, state) {
  await eventually(async () => {
    await page.evaluate(() => window.jupyterapp.shell.currentWidget.context.save().then(() => null));
    return saved(name, cell).some(each => each.data?.[JOB]?.state === state);
  }, `the saved output of cell ${cell} never said ${state}`);
  assertComplete(saved(name, cell), state);
}

/** Waits until the live card of a cell says a state. */
export const until = (page, cell, state) =>
  page.waitForFunction(
    ([index, wanted]) =>
      document
        .querySelectorAll('.jp-Notebook .jp-CodeCell')
        [index]?.querySelector('.tj-card')
        ?.getAttribute('data-state') === wanted,
    [cell, state],
    { timeout: TIMEOUT }
  );

/** That a cell shows its job live by what the page's kernel says. */
export const attended = (page, cell) => output(page, cell).locator('.tj-card:not(.tj-live *)').waitFor();

/** That a cell shows its job live, though the page's kernel knows nothing of it: from the server. */
export async function unattended(page, cell) {
  await output(page, cell).locator('.tj-live .tj-card').waitFor();
  assert.equal(await picture(page, cell).count(), 0, 'no picture beside the live view');
  assert.equal(await output(page, cell).getByText('Error displaying widget').count(), 0);
}

/** That a cell shows its picture, and nothing of a view that is gone. */
export async function pictured(page, cell) {
  await picture(page, cell).waitFor();
  assert.equal(await card(page, cell).count(), 0);
  assert.equal(await output(page, cell).getByText('Error displaying widget').count(), 0);
}

export async function shot(page, name) {
  if (screenshots) {
    await page.screenshot({ path: path.join(screenshots, `lab-${name}.png`) });
  }
}

let lines;

/** Says what is seen, and goes on when a line comes in: for a test that does something to servers meanwhile. */
export async function say(what) {
  lines ??= createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  console.log(`seen: ${what}`);
  await lines.next();
}

/** Polls what has no event on this side, such as a file that the page saves. */
export async function eventually(condition, message) {
  const deadline = Date.now() + TIMEOUT;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, message);
    await new Promise(resolve => setTimeout(resolve, 100));
  }
}

/** Whether the four forms of an output are there, within what a notebook should have to carry. */
function assertComplete(outputs, state) {
  const shown = outputs.filter(each => each.data?.[JOB]);
  assert.equal(shown.length, 1, `one output of a job, not ${shown.length}`);
  const { data } = shown[0];
  assert.deepEqual(Object.keys(data).sort(), [JOB, VIEW, 'text/html', 'text/plain'].sort());
  assert.equal(data[JOB].state, state);
  const size = Buffer.byteLength(JSON.stringify(shown[0]));
  assert.ok(size <= 200_000, `${size} bytes are saved`);
  const words = [data['text/html']].flat().join('');
  assert.ok(words.includes('data:image/svg+xml;base64,'), 'a picture');
  assert.doesNotMatch(words, /<script|<style/i);
}

/** Runs one scenario; what it throws, and what its pages complain of, fails the run. */
export async function scenario(name, body) {
  const pages = [];
  const begun = Date.now();
  try {
    await body(async (...args) => {
      const opened = await open(...args);
      pages.push(opened);
      return opened.page;
    });
    assert.deepEqual(
      pages.flatMap(each => each.complaints),
      []
    );
    console.log(`ok: ${name} (${((Date.now() - begun) / 1000).toFixed(1)} s)`);
  } catch (error) {
    process.exitCode = 1;
    console.log(`not ok: ${name} (${((Date.now() - begun) / 1000).toFixed(1)} s)\n${error.stack}`);
    await Promise.all(
      pages.map(({ page }, index) => shot(page, `failed-${index}-${name.slice(0, 40)}`).catch(() => null))
    );
    for (const { page } of pages) {
      const words = await page
        .locator('.jp-OutputArea')
        .allInnerTexts()
        .catch(() => []);
      console.log(words.join('\n').slice(0, 1500));
    }
  } finally {
    await Promise.all(pages.map(each => each.close()));
    await forgetKernels();
  }
}

export const done = () => browser.close();
