// The log: follows, and stays where somebody reads; colours, bars and floods; what is looked for, here and in what is kept.
import { assert, counted, everywhere, finish, scenes, shot, shots, view } from './harness.mjs';

const logs = page => page.getByRole('tab', { name: 'Logs' }).click();
const lines = page => page.locator('.tj-log-line');
const box = page => page.getByRole('region', { name: 'Log of all nodes' });
const atEnd = page => box(page).evaluate(node => node.scrollHeight - node.scrollTop - node.clientHeight <= 2);
const pressed = (page, name) => page.getByRole('button', { name, exact: true }).click();

let seq = 100;
/** Lines arrive: [number, text, row?] or texts of node 1. */
const add = (page, ...rows) =>
  page.evaluate(
    ([n, all]) =>
      window.say({
        kind: 'log',
        seq: n,
        reset: false,
        skipped: 0,
        before: null,
        lines: all.map((row, i) => {
          const [number, text, ...rest] = Array.isArray(row) ? row : [n * 1000 + i, row];
          return [number, Date.now() / 1000, 1, text, ...rest];
        })
      }),
    [++seq, rows]
  );

await everywhere(['colours', 'many'], { prepare: logs, label: '-log' });

await view('running', { theme: 'light' }, async page => {
  await shot(page, 'log-tail');
  await add(page, 'first');
  await page.getByText('first').waitFor();
  assert.ok(await atEnd(page), 'follows');
  await box(page).evaluate(node => (node.scrollTop = 0));
  await page.getByRole('button', { name: 'Follow' }).waitFor();
  await add(page, 'second');
  await page.getByRole('button', { name: 'Follow: 1 new' }).waitFor();
  assert.ok(!(await atEnd(page)), 'stays where somebody reads');
  await page.getByRole('button', { name: 'Follow' }).click();
  await page.getByText('second').waitFor();
  assert.ok(await atEnd(page), 'follows again');
});

await view('colours', { theme: 'light' }, async page => {
  await logs(page);
  const looks = await page
    .locator('.tj-log-line span[class]')
    .evaluateAll(nodes => nodes.map(node => [node.textContent, node.className]));
  const of = text => looks.find(([each]) => each === text)?.[1];
  assert.equal(of('red'), 'tj-f1');
  assert.equal(of('bold red'), 'tj-bold tj-f1');
  assert.equal(of('orange of 256'), 'tj-f1');
  assert.equal(of('violet of all'), 'tj-f4');
  assert.equal(of('green with colons'), 'tj-f2');
  assert.ok(!(await box(page).textContent()).includes('\u001b'), 'no escape is left');
  assert.ok((await box(page).textContent()).includes('<img src=x'), 'what looks like an element is text');
  await box(page).focus();
  const copied = await box(page).evaluate(node => {
    getSelection().selectAllChildren(node);
    return String(getSelection());
  });
  assert.match(copied, /^black red green .*plain\n/, 'what is copied is what was printed, without times');
});

await view('single', { theme: 'light' }, async page => {
  await logs(page);
  assert.match(
    await lines(page).first().getAttribute('data-at'),
    /^\d\d:\d\d:\d\d$/,
    'one node needs no number'
  );
  await counted(page.getByRole('textbox', { name: /^Nodes/ }), 0);

  const texts = () => lines(page).allTextContents();
  await add(page, [10, ' 0%|   |', 10], [11, 'other 0%', 11]);
  await add(page, [12, '50%|█  |', 10]);
  assert.deepEqual(await texts(), ['one', 'two', '50%|█  |', 'other 0%'], 'bars stay in their place');
  await add(page, 'printed', [14, '99%|██ |', 10]);
  assert.deepEqual(await texts(), ['one', 'two', 'other 0%', 'printed', '99%|██ |'], 'or come last');
  await add(page, [15, '', 11]);
  assert.deepEqual(await texts(), ['one', 'two', 'printed', '99%|██ |'], 'one that is cleared goes');
});

await view('many', { theme: 'light' }, async page => {
  await logs(page);
  const search = page.getByRole('searchbox', { name: 'Search the log' });
  const result = page.locator('.tj-log-result');
  await counted(lines(page), 200);
  await page.evaluate(
    () => (window.answers.page = [{ lines: [], before: null, more: false, found: 60 }, []])
  );
  await search.fill('valueerror');
  await result.getByText('10 lines, 60 kept').waitFor();
  await search.press('Enter');
  assert.match(await result.textContent(), /^10 of 10/);
  await search.press('Shift+Enter');
  assert.equal(await page.locator('.tj-log-now').textContent(), 'ValueError: bad batch 2900');
  await pressed(page, 'Previous');
  assert.equal(await page.locator('.tj-log-now mark').textContent(), 'ValueError');
  await shots(page, 'log-found');
  await pressed(page, 'Only matches');
  await counted(lines(page), 10);
  await pressed(page, 'Only matches');
  await pressed(page, 'Regex');
  await search.fill('2(9|8)50');
  await counted(lines(page).filter({ has: page.locator('mark') }), 2);
  await search.fill('(');
  assert.equal(await result.textContent(), 'no regular expression');
  await search.fill('');
  await pressed(page, 'Errors only');
  await counted(lines(page), 10);
  await pressed(page, 'Errors only');
  await page.getByRole('textbox', { name: /^Nodes/ }).fill('0, 2-3');
  const seen = await lines(page).evaluateAll(rows => new Set(rows.map(row => row.dataset.at.slice(-1))).size);
  assert.equal(seen, 3, 'three nodes');
  const asked = await page.evaluate(() => window.sent.filter(message => message.what === 'page').at(0));
  assert.deepEqual([asked.pattern, asked.limit, asked.before], ['valueerror', 0, null]);
});

await view('many', { theme: 'light' }, async page => {
  await logs(page);
  const first = lines(page).first();
  await counted(lines(page), 200, 'no more is drawn than is looked at');
  /** Where a line stands in the box. */
  const place = text =>
    box(page).evaluate(
      (node, words) =>
        [...node.querySelectorAll('.tj-log-line')]
          .find(row => row.textContent === words)
          .getBoundingClientRect().top - node.getBoundingClientRect().top,
      text
    );
  await box(page).hover();
  await page.mouse.wheel(0, -20_000);
  await page.waitForFunction(() => document.querySelectorAll('.tj-log-line').length === 500);
  assert.ok(Math.abs(await place('ValueError: bad batch 2800')) < 60, 'what was read stays where it was');
  assert.equal(await first.textContent(), 'ValueError: bad batch 2500');
  await page.mouse.wheel(0, -20_000);
  await page.waitForFunction(() => document.querySelectorAll('.tj-log-line').length === 1000);
  assert.equal(await first.textContent(), 'ValueError: bad batch 2000', 'the page before is above');
  assert.ok(Math.abs(await place('ValueError: bad batch 2500')) < 60, 'and what was read where it was');
  const asked = await page.evaluate(() => window.sent.find(message => message.what === 'page'));
  assert.match(asked.before, /^2025-11-23T\S+Z 2500 pod-\d$/);
  await pressed(page, 'Follow');
  await counted(lines(page), 200, 'pages are let go');
  assert.ok(await atEnd(page));
});

await view('many', { theme: 'light' }, async page => {
  await logs(page);
  await page.evaluate(
    n =>
      window.say({
        kind: 'log',
        seq: n,
        reset: false,
        skipped: 3,
        before: 'place',
        lines: [[9000, 1763900010, 0, 'after the flood']]
      }),
    ++seq
  );
  await page.evaluate(
    () =>
      (window.answers.page = [
        {
          lines: ['a', 'b', 'c'].map((text, i) => [0, 1763900000 + i, 0, text]),
          before: 'older',
          more: true
        },
        []
      ])
  );
  await shot(page, 'log-skipped');
  await page.getByRole('button', { name: '3 lines skipped: show' }).click();
  await page.getByText('c', { exact: true }).waitFor();
  assert.deepEqual((await lines(page).allTextContents()).slice(-4), ['a', 'b', 'c', 'after the flood']);
});

await view('running', { theme: 'light' }, async page => {
  await logs(page);
  const { gaps, drawn } = await page.evaluate(async start => {
    const frame = () => new Promise(done => requestAnimationFrame(done));
    const gaps = [];
    let drawn = 0;
    let number = 100_000;
    for (let tick = 0; tick < 40; tick++) {
      const texts = Array.from(
        { length: 250 },
        (_, i) => `\u001b[32mstep\u001b[0m ${number + i} loss 0.123 of a flood`
      );
      window.say({
        kind: 'log',
        seq: start + tick,
        reset: false,
        skipped: 2250,
        before: 'place',
        lines: texts.map((text, i) => [number + i, Date.now() / 1000, i % 8, text])
      });
      number += 2500;
      for (let i = 0; i < 3; i++) {
        const before = performance.now();
        await frame();
        gaps.push(performance.now() - before);
        drawn = Math.max(drawn, document.querySelectorAll('.tj-log-line').length);
      }
    }
    return { gaps: gaps.slice(3).sort((a, b) => a - b), drawn };
  }, seq + 1);
  seq += 100;
  assert.ok(await atEnd(page));
  const [middle, worst] = [gaps[Math.floor(gaps.length / 2)], gaps.at(-1)].map(Math.round);
  console.log(`frames in a flood of 10,000 lines a second: ${middle} ms, the longest ${worst} ms`);
  assert.equal(drawn, 200, 'a flood draws no more than is looked at');
  await box(page).evaluate(node => (node.scrollTop = 0));
  await counted(lines(page), 700);
});

await view('many', { theme: 'light' }, async page => {
  await logs(page);
  await pressed(page, 'Wrap');
  await add(page, `long ${'x'.repeat(3000)}`);
  assert.ok(await box(page).evaluate(node => node.scrollWidth > node.clientWidth), 'long lines stay whole');
  await pressed(page, 'Wrap');
  assert.ok(await box(page).evaluate(node => node.scrollWidth <= node.clientWidth), 'or are wrapped');
});

assert.ok(scenes.many);
await finish();
