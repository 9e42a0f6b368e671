// Drives JupyterLab and Notebook 7 in Chromium: opens notebooks, runs cells, checks their outputs. Each `<topic>.mjs`
// beside this file is run as a script:
//
//   node follow-job.mjs '{"url": …, "token": …, "root": …, "chromium": …, "screenshots": …}'
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';

import { launch, patience } from '../chromium.mjs';

const { url, token, root, chromium, screenshots, ...more } = JSON.parse(process.argv[2]);
const browser = await launch(chromium);

export { assert, more, root };
export const JOB = 'application/vnd.jupyter-trainjob.v1+json';
export const VIEW = 'application/vnd.jupyter.widget-view+json';
/** Timeout for actions and states: jobs start processes, which takes long on a busy machine. */
const TIMEOUT = patience(60_000);
/** Timeout for a server's first page, which waits for uncached files and the first kernel. */
const START_TIMEOUT = patience(120_000);
/** Matches errors of a page that concern this package: its files, the widget's code (a blob), and the widget manager. */
const OURS = /trainjob|tj-|blob:|widget/i;

/** Matches nothing. */
const NOTHING = /^(?!)/;

/** Writes a notebook with these cells; returns its name. */
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

/** The outputs of a cell in the saved notebook. */
export function saved(name, cell) {
  return JSON.parse(readFileSync(path.join(root, name), 'utf8')).cells[cell].outputs;
}

/** Returns a file that a job waits for, so that the test decides when the job ends. */
export function createGate(name) {
  const file = path.join(root, `${name}.gate`);
  rmSync(file, { force: true });
  return { file, open: () => writeFileSync(file, '') };
}

/** A cell that trains until its gate opens, at most two minutes, so that an abandoned job does not slow later tests. */
export function training(name, { file, options = '--nodes 2', lines = [] }) {
  return [
    `%%trainjob ${name} ${options}`,
    'import os, pathlib, time',
    'from jupyter_trainjob import report',
    'rank = int(os.environ.get("RANK", "0"))',
    'for step in range(1, 6001):',
    '    report(step=step, total=6000, loss=2.0 / step, accuracy=1 - 1 / step)',
    '    if step % 20 == 0:',
    '        print(f"step {step} of rank {rank}", flush=True)',
    ...lines.map(line => `    ${line}`),
    `    if pathlib.Path(${JSON.stringify(file)}).exists():`,
    '        break',
    '    time.sleep(0.02)'
  ].join('\n');
}

/** Opens a notebook in a new browser profile. `host`: lab or notebook; without `login`, `before` logs in. */
export async function open(
  name,
  { host = 'lab', theme = 'light', login = true, before, expected = NOTHING } = {}
) {
  const context = await browser.newContext({
    viewport: { width: 1100, height: 1000 },
    colorScheme: theme
  });
  const page = await context.newPage();
  page.setDefaultTimeout(TIMEOUT);
  await before?.(page);
  const complaints = [];
  const note = (...texts) =>
    texts.some(text => OURS.test(text)) &&
    !texts.some(text => expected.test(text)) &&
    complaints.push(texts.join(' '));
  page.on('pageerror', error => note(String(error.stack)));
  page.on('console', message => {
    if (message.type() === 'error') {
      note(message.text(), message.location().url);
    }
  });
  const place = host === 'lab' ? `lab/workspaces/${Date.now()}/tree/${name}` : `notebooks/${name}`;
  await page.goto(`${url}/${place}${login ? `?token=${token}` : ''}`, { timeout: START_TIMEOUT });
  await ready(page);
  return { page, complaints, close: () => context.close() };
}

/** Waits until the notebook is loaded and its kernel is idle. */
export async function ready(page) {
  await page.waitForFunction(
    () => {
      const panel = window.jupyterapp?.shell.currentWidget;
      return (
        panel?.content?.model?.cells.length > 0 && panel.sessionContext.session?.kernel?.status === 'idle'
      );
    },
    null,
    { timeout: START_TIMEOUT }
  );
}

/** Opens a new notebook whose first cell loads the extension, and runs that and the first of `cells`. */
export async function openAndRun(open, name, cells, options) {
  const page = await open(write(name, ['%load_ext jupyter_trainjob', ...cells]), options);
  await run(page, 0);
  await run(page, 1);
  return page;
}

/** Creates a notebook whose job is running, saves and closes it, and shuts down its kernel. */
export async function leaveRunning(open, name, cell) {
  const page = await openAndRun(open, name, [cell]);
  await waitForState(page, 1, 'Running');
  await saveInState(page, name, 1, 'Running');
  await page.close();
  await shutDownKernels();
}

/** Runs a cell; with `wait`, until its end. */
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

/** Whether a cell is running. The kernel's status does not show it, as that changes with messages of the widget. */
export const isRunning = async (page, cell) =>
  (await page.locator('.jp-Notebook .jp-CodeCell .jp-InputPrompt').nth(cell).textContent()) === '[*]:';

/** Executes a command. */
export const execute = (page, command, args = {}) =>
  page.evaluate(
    ([id, values]) => window.jupyterapp.commands.execute(id, values).then(() => null),
    [command, args]
  );

/** Shows the list of jobs in JupyterLab's left area, and returns it. */
export async function openSidebar(page) {
  await page.getByRole('tab', { name: 'Training jobs' }).click();
  return page.locator('.tj-sidebar');
}

/** Stops the job of a card, and confirms it. */
export async function stopJob(where) {
  await where.getByRole('button', { name: 'Stop' }).click();
  await where.getByRole('button', { name: 'Stop job' }).click();
}

export const restart = page =>
  page.evaluate(() => window.jupyterapp.shell.currentWidget.sessionContext.restartKernel().then(() => null));

export const shutdown = page =>
  page.evaluate(() => window.jupyterapp.shell.currentWidget.sessionContext.shutdown().then(() => null));

/** Shuts down every kernel of the server. */
export async function shutDownKernels() {
  const headers = { Authorization: `token ${token}` };
  for (const session of await (await fetch(`${url}/api/sessions`, { headers })).json()) {
    await fetch(`${url}/api/sessions/${session.id}`, {
      method: 'DELETE',
      headers
    });
  }
}

/** The output area of a cell. */
export const output = (page, cell) =>
  page.locator('.jp-Notebook .jp-CodeCell').nth(cell).locator('.jp-OutputArea');

export const card = (page, cell) => output(page, cell).locator('.tj-card').first();
export const picture = (page, cell) => output(page, cell).locator('.tj-output img').first();

/** Saves the notebook until a job's output in it has this state: the kernel updates the output after the card. */
export async function saveInState(page, name, cell, state) {
  await eventually(async () => {
    await page.evaluate(() => window.jupyterapp.shell.currentWidget.context.save().then(() => null));
    return saved(name, cell).some(each => each.data?.[JOB]?.state === state);
  }, `the saved output of cell ${cell} never had the state ${state}`);
  assertComplete(saved(name, cell), state);
}

/** Waits until the live card of a cell has a state. */
export const waitForState = (page, cell, state) =>
  page.waitForFunction(
    ([index, expected]) =>
      document
        .querySelectorAll('.jp-Notebook .jp-CodeCell')
        [index]?.querySelector('.tj-card')
        ?.getAttribute('data-state') === expected,
    [cell, state],
    { timeout: TIMEOUT }
  );

/** Checks that a cell shows its job live from the page's kernel. */
export const expectLiveFromKernel = (page, cell) =>
  output(page, cell).locator('.tj-card:not(.tj-live *)').waitFor();

/** Checks that a cell shows its job live from the server. */
export async function expectLiveFromServer(page, cell) {
  await output(page, cell).locator('.tj-live .tj-card').waitFor();
  assert.equal(await picture(page, cell).count(), 0, 'no picture beside the live view');
  assert.equal(await output(page, cell).getByText('Error displaying widget').count(), 0);
}

/** Checks that a cell shows its picture, and no live view or error. */
export async function expectPicture(page, cell) {
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

/** Reports a step to the Python test, and waits for a line from it: the test changes servers meanwhile. */
export async function reportStep(step) {
  lines ??= createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  console.log(`seen: ${step}`);
  await lines.next();
}

/** Polls a condition without an event, such as the content of a saved file. */
export async function eventually(condition, message) {
  const deadline = Date.now() + TIMEOUT;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, message);
    await new Promise(resolve => setTimeout(resolve, 100));
  }
}

/** Checks that an output has its four forms, and at most 200 KB. */
function assertComplete(outputs, state) {
  const shown = outputs.filter(each => each.data?.[JOB]);
  assert.equal(shown.length, 1, `one output of a job, not ${shown.length}`);
  const { data } = shown[0];
  assert.deepEqual(Object.keys(data).sort(), [JOB, VIEW, 'text/html', 'text/plain'].sort());
  assert.equal(data[JOB].state, state);
  const size = Buffer.byteLength(JSON.stringify(shown[0]));
  assert.ok(size <= 200_000, `${size} bytes are saved`);
  const html = [data['text/html']].flat().join('');
  assert.ok(html.includes('data:image/svg+xml;base64,'), 'a picture');
  assert.doesNotMatch(html, /<script|<style/i);
}

/** Runs one scenario; an exception, or an error of its pages, fails the run. */
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
    await shutDownKernels();
  }
}

export const done = () => browser.close();
