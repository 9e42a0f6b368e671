// The sidebar: its texts in each state, and its navigation. Its widths are those of JupyterLab's area less the page's
// margins: 300 pixels, the minimum, and wide.
import {
  expectAxePasses,
  assert,
  expectCount,
  checkInAllThemes,
  finish,
  expectReadableContrast,
  scenes,
  shot,
  shots,
  withScene,
  setTheme
} from './harness.mjs';
import {
  expectLargeTargets,
  expectRoomForText,
  expectNoAnimation,
  tabStops,
  announcementsDuring
} from './accessibility.mjs';

const [USUAL, NARROW, WIDE] = [324, 224, 524];
const light = { theme: 'light', width: USUAL };

/** Scenes that look different before something is opened. */
const distinct = Object.keys(scenes).filter(name => !name.startsWith('sidebar-doctor'));

await checkInAllThemes(distinct, { widths: [USUAL, NARROW, WIDE] });

await withScene('sidebar-no-namespace', light, async page => {
  await page.getByText('There is no namespace reserch on this cluster.').waitFor();
});

// Parts that open on demand.
const opened = {
  'sidebar-farm': ['3 nodes', 'sidebar-nodes'],
  sidebar: ['4 runtimes', 'sidebar-runtimes'],
  'sidebar-doctor': ['Doctor', 'sidebar-doctor-open'],
  'sidebar-doctor-fails': ['Doctor', 'sidebar-doctor-failed']
};
for (const [name, [summary, picture]] of Object.entries(opened)) {
  await withScene(name, light, async page => {
    await page.locator('summary', { hasText: summary }).click();
    await shots(page, picture);
    for (const theme of ['light', 'dark', 'contrast']) {
      await setTheme(page, theme);
      await expectAxePasses(page, theme === 'light' ? null : ['color-contrast']);
    }
    await setTheme(page, 'light');
    await expectReadableContrast(page);
    await expectRoomForText(page);
  });
}

for (const name of distinct) {
  await withScene(name, { ...light, width: NARROW }, async page => {
    await expectLargeTargets(page);
    await expectRoomForText(page);
    await shot(page, `${name}-large`);
  });
}

await withScene('sidebar', light, async page => {
  assert.deepEqual(await tabStops(page), [
    'Cluster',
    'Namespace',
    '+ New job',
    'Filter jobs',
    'Sort jobs',
    'Starting sweep-lr-3e4-a81mm now Pulling image pytorch/pytorch:2.15.0',
    'Stop',
    'Rerun',
    'Delete…',
    '4 runtimes',
    'Doctor',
    'Stop this cluster'
  ]);
});

await withScene('sidebar', light, async page => {
  // A page at 400 %: each tab stop is scrolled into view, and so is the last job.
  await page.locator('.tj-sidebar').evaluate(node => (node.style.height = '240px'));
  await tabStops(page);
  await page.getByRole('button', { name: /^Starting/ }).focus();
  await page.keyboard.press('End');
  const last = page.getByRole('button', { name: /baseline-k2v7s/ });
  await last.and(page.locator(':focus')).waitFor();
  const inSight = node => {
    const { left, top, bottom } = node.getBoundingClientRect();
    return [top + 3, bottom - 3].every(y => node.contains(document.elementFromPoint(left + 20, y)));
  };
  assert.ok(await last.evaluate(inSight), 'the last job is not visible');
});

const actions = (page, name) => page.getByRole('group', { name: `Actions for ${name}` });
const opacity = locator => locator.evaluate(node => getComputedStyle(node).opacity);
const boxOf = locator => locator.evaluate(node => node.getBoundingClientRect().toJSON());
const answered = (page, content) =>
  page.evaluate(
    more => window.receive({ kind: 'answer', id: window.sent.at(-1).id, ok: true, ...more }),
    content
  );
const rowOf = (page, name) => page.locator('.tj-side-rows li', { hasText: name });

for (const width of [USUAL, NARROW]) {
  await withScene('sidebar', { ...light, width }, async page => {
    const digits = actions(page, 'digits-x7k2p');
    const [item, below] = [rowOf(page, 'digits-x7k2p'), rowOf(page, 'llama-lora-9fj2c')];
    assert.equal(await opacity(digits), '0', 'a row without the pointer shows no buttons');
    await item.locator('.tj-row').hover();
    assert.equal(await opacity(digits), '1');
    assert.equal(await opacity(actions(page, 'llama-lora-9fj2c')), '0', 'of this row alone');
    const [name, bar] = [await boxOf(item.locator('.tj-name')), await boxOf(digits)];
    assert.ok(bar.top >= name.bottom, 'the name stays visible');
    await shots(page, `sidebar-row-hovered-${width}`);
    const before = await boxOf(below);
    await digits.getByRole('button', { name: 'Stop' }).click();
    const question = page.getByRole('group', { name: /^Stop this job\?/ });
    await question.waitFor();
    // The confirmation covers no other row.
    await page.waitForFunction(() => {
      const [question, next] = ['.tj-question', '[data-uid=uid-llama-lora-9fj2c]'].map(each =>
        document.querySelector(each).getBoundingClientRect()
      );
      return next.top >= question.bottom;
    });
    await shots(page, `sidebar-row-asks-${width}`);
    await expectAxePasses(page);
    await expectNoSidewaysScrolling(page);
    await page.getByRole('button', { name: 'Stop job' }).click();
    const { what, job } = await page.evaluate(() => window.sent.at(-1));
    assert.deepEqual([what, job], ['stop', 'uid-digits-x7k2p']);
    await answered(page, { ok: false, error: 'the cluster does not answer' });
    await page.getByText('Not stopped: the cluster does not answer').waitFor();
    await shots(page, `sidebar-row-refused-${width}`);
    await digits.getByRole('button', { name: 'Stop' }).click();
    await page.getByRole('button', { name: 'Stop job' }).click();
    await answered(page, {});
    await page.waitForFunction(
      top => document.querySelector('[data-uid=uid-llama-lora-9fj2c]').getBoundingClientRect().top === top,
      before.top
    );
  });
}

/** Checks that the page does not scroll sideways. */
async function expectNoSidewaysScrolling(page) {
  const wide = () => document.documentElement.scrollWidth - document.documentElement.clientWidth;
  assert.equal(await page.evaluate(wide), 0, 'scrolls sideways');
}

await withScene('sidebar', light, async page => {
  // By keyboard: down to a row, its actions by Tab, and back to the rows by arrows.
  await page.getByRole('button', { name: /^Starting/ }).focus();
  for (const key of ['ArrowDown', 'Tab']) {
    await page.keyboard.press(key);
  }
  const stop = actions(page, 'digits-x7k2p').getByRole('button', { name: 'Stop' });
  await stop.and(page.locator(':focus')).waitFor();
  assert.equal(await opacity(actions(page, 'digits-x7k2p')), '1');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  const question = page.getByRole('group', { name: 'Delete it with its logs and curves?' });
  await question.waitFor();
  await page.keyboard.press('Delete');
  await page.keyboard.press('Escape');
  await expectCount(question, 0);
  await stop.and(page.locator(':focus')).waitFor();
  const sent = await page.evaluate(() => window.sent.map(each => each.kind));
  assert.deepEqual(
    sent.filter(kind => ['ask', 'delete'].includes(kind)),
    [],
    'nothing was done'
  );
  await page.keyboard.press('ArrowDown');
  await page
    .getByRole('button', { name: /llama-lora/ })
    .and(page.locator(':focus'))
    .waitFor();
});

// A confirmation stays open when its row is scrolled out of view.
await withScene('sidebar-many', light, async page => {
  await page.getByRole('button', { name: /trial-0000/ }).hover();
  await actions(page, 'trial-0000').getByRole('button', { name: 'Delete…' }).click();
  const question = page.getByRole('group', { name: 'Delete it with its logs and curves?' });
  await question.waitFor();
  await page.locator('.tj-side-list').evaluate(list => list.scrollTo(0, 40_000));
  await page
    .getByRole('button', { name: /trial-069/ })
    .first()
    .waitFor();
  await expectCount(question, 1);
});

await withScene('sidebar', { ...light, reducedMotion: 'reduce' }, expectNoAnimation);

// Progress of jobs is not announced; the results of a filter are.
await withScene('sidebar', light, async page => {
  const row = name => page.locator('.tj-row', { hasText: name });
  const announced = await announcementsDuring(page, async () => {
    const [{ jobs }] = scenes.sidebar.messages
      .map(([content]) => content)
      .filter(({ kind }) => kind === 'jobs');
    const digits = jobs.find(each => each.name === 'digits-x7k2p');
    for (const progress of [0.8, 0.9]) {
      const changed = { kind: 'jobs', reset: false, jobs: [{ ...digits, progress }], gone: [] };
      await page.evaluate(message => window.emit('msg:custom', message, []), changed);
      await row('digits')
        .getByText(`${progress * 100} %`)
        .waitFor();
    }
  });
  assert.deepEqual(announced, []);
  const searched = await announcementsDuring(page, async () => {
    await page.getByRole('searchbox', { name: 'Filter jobs' }).fill('digits');
    await expectCount(page.locator('.tj-row'), 2);
    await page.getByRole('searchbox', { name: 'Filter jobs' }).fill('nothing like it');
    await page.getByText('No job matches').waitFor();
  });
  assert.deepEqual(searched.at(-1), 'No job matches “nothing like it”.');
  await shots(page, 'sidebar-no-match');
  await expectAxePasses(page);
});

// The reason why a cluster cannot be started is shown and announced.
await withScene('sidebar-stopped', light, async page => {
  const announced = await announcementsDuring(page, async () => {
    await page.getByRole('button', { name: 'Start this cluster' }).click();
    await page.getByText('did not come up').waitFor();
  });
  assert.match(announced.at(-1), /did not come up/);
  await shots(page, 'sidebar-not-started');
  await expectAxePasses(page);
});

await finish();
