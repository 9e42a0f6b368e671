// The sidebar: what it says in each of its states, and how it is reached. Its widths are those of the area less the
// page's margins: 300 pixels, as narrow as it can be, and wide.
import {
  accessible,
  assert,
  counted,
  everywhere,
  finish,
  legible,
  scenes,
  shot,
  shots,
  view,
  wear
} from './harness.mjs';
import { bigEnough, roomy, still, stops, told } from './reach.mjs';

const [USUAL, NARROW, WIDE] = [324, 224, 524];
const light = { theme: 'light', width: USUAL };

/** Those that look unlike others before something is opened. */
const unlike = Object.keys(scenes).filter(name => !name.startsWith('sidebar-doctor'));

await everywhere(unlike, { widths: [USUAL, NARROW, WIDE] });

// What opens on demand.
const opened = {
  'sidebar-farm': ['3 nodes', 'sidebar-nodes'],
  sidebar: ['2 runtimes', 'sidebar-runtimes'],
  'sidebar-doctor': ['Doctor', 'sidebar-doctor-open'],
  'sidebar-doctor-fails': ['Doctor', 'sidebar-doctor-failed']
};
for (const [name, [summary, picture]] of Object.entries(opened)) {
  await view(name, light, async page => {
    await page.locator('summary', { hasText: summary }).click();
    await shots(page, picture);
    for (const theme of ['light', 'dark', 'contrast']) {
      await wear(page, theme);
      await accessible(page, theme === 'light' ? null : ['color-contrast']);
    }
    await wear(page, 'light');
    await legible(page);
    await roomy(page);
  });
}

for (const name of unlike) {
  await view(name, { ...light, width: NARROW }, async page => {
    await bigEnough(page);
    await roomy(page);
    await shot(page, `${name}-large`);
  });
}

await view('sidebar', light, async page => {
  assert.deepEqual(await stops(page), [
    'Cluster',
    'Namespace',
    '+ New job',
    'Filter jobs',
    'Sort jobs',
    'Starting sweep-lr-3e4-a81mm now Pulling image pytorch/pytorch:2.15.0',
    '2 runtimes',
    'Doctor',
    'Stop this cluster'
  ]);
});

await view('sidebar', light, async page => {
  // A page at 400 %: each stop is brought into sight, and so is the last job.
  await page.locator('.tj-sidebar').evaluate(node => (node.style.height = '240px'));
  await stops(page);
  await page.getByRole('button', { name: /^Starting/ }).focus();
  await page.keyboard.press('End');
  const last = page.getByRole('button', { name: /baseline-k2v7s/ });
  await last.and(page.locator(':focus')).waitFor();
  const inSight = node => {
    const { left, top, bottom } = node.getBoundingClientRect();
    return [top + 3, bottom - 3].every(y => node.contains(document.elementFromPoint(left + 20, y)));
  };
  assert.ok(await last.evaluate(inSight), 'the last job is not in sight');
});

await view('sidebar', { ...light, reducedMotion: 'reduce' }, still);

// Jobs come and go on all the time; nobody wants to hear of each step.
await view('sidebar', light, async page => {
  const row = name => page.locator('.tj-row', { hasText: name });
  const said = await told(page, async () => {
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
  assert.deepEqual(said, []);
  const searched = await told(page, async () => {
    await page.getByRole('searchbox', { name: 'Filter jobs' }).fill('digits');
    await counted(page.locator('.tj-row'), 2);
    await page.getByRole('searchbox', { name: 'Filter jobs' }).fill('nothing like it');
    await page.getByText('No job matches').waitFor();
  });
  assert.deepEqual(searched.at(-1), 'No job matches “nothing like it”.');
  await shots(page, 'sidebar-no-match');
  await accessible(page);
});

// A cluster that cannot be started says why, and what it says is read out.
await view('sidebar-stopped', light, async page => {
  const said = await told(page, async () => {
    await page.getByRole('button', { name: 'Start this cluster' }).click();
    await page.getByText('did not come up').waitFor();
  });
  assert.match(said.at(-1), /did not come up/);
  await shots(page, 'sidebar-not-started');
  await accessible(page);
});

await finish();
