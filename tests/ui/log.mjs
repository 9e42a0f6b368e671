// The log: following and reading; colours, progress bars and floods; search in loaded and stored lines.
import { assert, expectCount, checkInAllThemes, finish, shot, shots, withScene } from './harness.mjs';

const logs = page => page.getByRole('tab', { name: 'Logs' }).click();
const lines = page => page.locator('.tj-log-line');
const box = page => page.getByRole('region', { name: 'Log of all nodes' });
const atEnd = page => box(page).evaluate(node => node.scrollHeight - node.scrollTop - node.clientHeight <= 2);
const clickButton = (page, name) => page.getByRole('button', { name, exact: true }).click();

let seq = 100;
/** Delivers lines: [number, text, row?] or texts of node 1. */
const add = (page, ...rows) =>
  page.evaluate(
    ([n, all]) =>
      window.receive({
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

await checkInAllThemes(['colours', 'many'], { prepare: logs, label: '-log' });

await withScene('running', { theme: 'light' }, async page => {
  await shot(page, 'log-tail');
  await add(page, 'first');
  await page.getByText('first').waitFor();
  assert.ok(await atEnd(page), 'follows');
  await box(page).evaluate(node => (node.scrollTop = 0));
  await page.getByRole('button', { name: 'Follow' }).waitFor();
  await add(page, 'second');
  await page.getByRole('button', { name: 'Follow: 1 new' }).waitFor();
  assert.ok(!(await atEnd(page)), 'keeps the reading position');
  await page.getByRole('button', { name: 'Follow' }).click();
  await page.getByText('second').waitFor();
  assert.ok(await atEnd(page), 'follows again');
});

await withScene('colours', { theme: 'light' }, async page => {
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
  assert.ok(!(await box(page).textContent()).includes('\u001b'), 'no escape sequence remains');
  assert.ok((await box(page).textContent()).includes('<img src=x'), 'markup is shown as text');
  await box(page).focus();
  const copied = await box(page).evaluate(node => {
    getSelection().selectAllChildren(node);
    return String(getSelection());
  });
  assert.match(copied, /^black red green .*plain\n/, 'copied text has no times');
});

await withScene('single', { theme: 'light' }, async page => {
  await logs(page);
  assert.match(
    await lines(page).first().getAttribute('data-at'),
    /^\d\d:\d\d:\d\d$/,
    'one node needs no number'
  );
  await expectCount(page.getByRole('textbox', { name: /^Nodes/ }), 0);

  const texts = () => lines(page).allTextContents();
  await add(page, [10, ' 0%|   |', 10], [11, 'other 0%', 11]);
  await add(page, [12, '50%|█  |', 10]);
  assert.deepEqual(await texts(), ['one', 'two', '50%|█  |', 'other 0%'], 'progress bars keep their place');
  await add(page, 'printed', [14, '99%|██ |', 10]);
  assert.deepEqual(await texts(), ['one', 'two', 'other 0%', 'printed', '99%|██ |'], 'or move to the end');
  await add(page, [15, '', 11]);
  assert.deepEqual(await texts(), ['one', 'two', 'printed', '99%|██ |'], 'a cleared one is removed');
});

await withScene('many', { theme: 'light' }, async page => {
  await logs(page);
  const search = page.getByRole('searchbox', { name: 'Search the log' });
  const result = page.locator('.tj-log-result');
  await expectCount(lines(page), 200);
  await page.evaluate(
    () => (window.answers.page = [{ lines: [], before: null, more: false, found: 60 }, []])
  );
  await search.fill('valueerror');
  await result.getByText('60 in earlier lines (show)').waitFor();
  assert.equal(await result.textContent(), '10 matches in view · 60 in earlier lines (show)');
  await search.press('Enter');
  await result.getByText(/^Match 10 of 10 in view/).waitFor();
  await search.press('Shift+Enter');
  assert.equal(await page.locator('.tj-log-now').textContent(), 'ValueError: bad batch 2900');
  await clickButton(page, 'Previous');
  assert.equal(await page.locator('.tj-log-now mark').textContent(), 'ValueError');
  await shots(page, 'log-found');
  await clickButton(page, 'Only matches');
  await expectCount(lines(page), 10);
  await clickButton(page, 'Only matches');
  await clickButton(page, 'Regex');
  await search.fill('2(9|8)50');
  await expectCount(lines(page).filter({ has: page.locator('mark') }), 2);
  await search.fill('(');
  assert.equal(await result.textContent(), 'Not a regular expression');
  await search.fill('');
  await clickButton(page, 'Errors only');
  await expectCount(lines(page), 10);
  await clickButton(page, 'Errors only');
  await page.getByRole('textbox', { name: /^Nodes/ }).fill('0, 2-3');
  const seen = await lines(page).evaluateAll(rows => new Set(rows.map(row => row.dataset.at.slice(-1))).size);
  assert.equal(seen, 3, 'three nodes');
  const request = await page.evaluate(() => window.sent.filter(message => message.what === 'page').at(0));
  assert.deepEqual([request.pattern, request.limit], ['valueerror', 0]);
  assert.match(request.before, / 2500 pod-\d$/, 'the position before the loaded lines');
});

await withScene('many', { theme: 'light' }, async page => {
  await logs(page);
  const first = lines(page).first();
  await expectCount(lines(page), 200, 'only the newest lines are rendered');
  /** The position of a line in the box. */
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
  assert.ok(Math.abs(await place('ValueError: bad batch 2800')) < 60, 'the reading position is kept');
  assert.equal(await first.textContent(), 'ValueError: bad batch 2500');
  await page.mouse.wheel(0, -20_000);
  await page.waitForFunction(() => document.querySelectorAll('.tj-log-line').length === 1000);
  assert.equal(await first.textContent(), 'ValueError: bad batch 2000', 'the earlier page is above');
  assert.ok(Math.abs(await place('ValueError: bad batch 2500')) < 60, 'and the reading position is kept');
  const request = await page.evaluate(() => window.sent.find(message => message.what === 'page'));
  assert.match(request.before, /^2025-11-23T\S+Z 2500 pod-\d$/);
  await clickButton(page, 'Follow');
  await expectCount(lines(page), 200, 'loaded pages are dropped');
  assert.ok(await atEnd(page));
});

await withScene('many', { theme: 'light' }, async page => {
  await logs(page);
  await page.evaluate(
    n =>
      window.receive({
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

await withScene('running', { theme: 'light' }, async page => {
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
      window.receive({
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
  assert.equal(drawn, 200, 'a flood renders only the newest lines');
  await box(page).evaluate(node => (node.scrollTop = 0));
  await expectCount(lines(page), 700);
});

await withScene('many', { theme: 'light' }, async page => {
  await logs(page);
  await clickButton(page, 'Wrap');
  await add(page, `long ${'x'.repeat(3000)}`);
  assert.ok(
    await box(page).evaluate(node => node.scrollWidth > node.clientWidth),
    'long lines are not wrapped'
  );
  await clickButton(page, 'Wrap');
  assert.ok(await box(page).evaluate(node => node.scrollWidth <= node.clientWidth), 'or are wrapped');
});

const answer = (page, request, name) =>
  page.evaluate(([kind, other]) => (window.answers[kind] = window.answers[other]), [request, name]);
const inSight = page =>
  box(page).evaluate(node => {
    const [row, all] = [node.querySelector('.tj-log-now'), node].map(each => each.getBoundingClientRect());
    return row.top >= all.top && row.bottom <= all.bottom;
  });
const finds = page => page.evaluate(() => window.sent.filter(message => message.what === 'find'));

await withScene('far', { theme: 'light' }, async page => {
  // Matches thousands of lines before the rendered ones are counted, and can be reached.
  await logs(page);
  const search = page.getByRole('searchbox', { name: 'Search the log' });
  const result = page.locator('.tj-log-result');
  await search.fill('needle');
  await page.getByRole('button', { name: '2 in earlier lines (show)' }).waitFor();
  assert.equal(await result.textContent(), 'No matches in view · 2 in earlier lines (show)');
  await shots(page, 'log-no-match-in-view');
  await page.setViewportSize({ width: 400, height: 900 });
  await shots(page, 'log-no-match-in-view-400');

  await answer(page, 'find', 'find newest');
  await answer(page, 'page', 'page then');
  await page.getByRole('button', { name: '2 in earlier lines (show)' }).click();
  await page.getByText('step 600 with a needle').waitFor();
  await result.getByText('1 in earlier lines (show)').waitFor();
  assert.equal(await result.textContent(), 'Match 1 of 1 in view · 1 in earlier lines (show)');
  assert.ok(await inSight(page), 'the hit is visible');
  await expectCount(page.getByRole('button', { name: '4,799 lines skipped: show' }), 1);
  await shots(page, 'log-earlier-match');

  await answer(page, 'find', 'find oldest');
  await clickButton(page, 'Previous');
  await result.getByText('Match 1 of 2', { exact: true }).waitFor();
  assert.equal(await page.locator('.tj-log-now').textContent(), 'step 3 with a needle');
  assert.ok(await inSight(page));
  assert.equal(await lines(page).first().textContent(), 'step 0');

  await answer(page, 'find', 'find nothing');
  await search.press('Enter');
  await result.getByText('Match 2 of 2', { exact: true }).waitFor();
  assert.ok(await inSight(page));
  await search.press('Enter');
  await result.getByText('Match 1 of 2', { exact: true }).waitFor();
  assert.ok(await inSight(page), 'wraps around, across lines that are not loaded');
  const requests = (await finds(page)).map(({ pattern, oldest, since }) => [pattern, oldest, since !== null]);
  assert.deepEqual(requests.slice(0, 2), [
    ['needle', false, false],
    ['needle', false, false]
  ]);
  assert.deepEqual(requests.at(-1), ['needle', true, true]);
});

await withScene('far', { theme: 'light' }, async page => {
  // Repeated clicks start one search; failed and late answers change nothing.
  await logs(page);
  const search = page.getByRole('searchbox', { name: 'Search the log' });
  const result = page.locator('.tj-log-result');
  await search.fill('needle');
  await search.press('Enter');
  await search.press('Enter');
  await search.press('Shift+Enter');
  await result.getByText('Searching…').waitFor();
  assert.equal((await finds(page)).length, 1, 'one search at a time');
  await page.evaluate(() => {
    const { id } = window.sent.find(message => message.what === 'find');
    window.receive({ kind: 'answer', id, ok: false, error: 'The log cannot be read.' });
  });
  await page.getByText('The log cannot be read.').waitFor();
  await result.getByText('No matches in view').waitFor();
  await search.press('Enter');
  await expectCount(page.getByText('The log cannot be read.'), 0);
  await search.fill('needles');
  await page.evaluate(() => {
    const { id } = window.sent.findLast(message => message.what === 'find');
    const [content] = window.answers['find newest'];
    window.receive({ ...content, kind: 'answer', id, ok: true });
  });
  await expectCount(page.getByText('step 600 with a needle'), 0, 'the late answer to an old query');
});

await withScene('far', { theme: 'light' }, async page => {
  // More than 10,000 lines: a span of them is rendered, which wheel and buttons extend.
  await logs(page);
  const rows = Array.from({ length: 5000 }, (_, i) => [10_000 + i, `late ${i}`]);
  await add(page, ...rows);
  await page.getByText('late 4999', { exact: true }).waitFor();
  await expectCount(lines(page), 200);
  for (const drawn of [700, 1200, 1500]) {
    await box(page).evaluate(node => (node.scrollTop = 0));
    await expectCount(lines(page), drawn, 'only a span is rendered');
  }
  await expectCount(page.getByRole('button', { name: 'Show earlier lines' }), 1);
  await expectCount(page.getByRole('button', { name: 'Show later lines' }), 1);
  await box(page).evaluate(node => (node.scrollTop = node.scrollHeight));
  await page.getByText('late 4999', { exact: true }).waitFor();
  await expectCount(lines(page), 1500);
  await clickButton(page, 'Follow');
  await expectCount(lines(page), 200);
  assert.ok(await atEnd(page));
});

await finish();
