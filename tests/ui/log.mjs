// The log: follows, and stays where somebody reads.
import { assert, finish, view } from './harness.mjs';

await view('running', { theme: 'light' }, async page => {
  const box = page.getByRole('region', { name: 'Log of all nodes' });
  const atEnd = () => box.evaluate(node => node.scrollHeight - node.scrollTop - node.clientHeight <= 2);
  let seq = 100;
  const add = text =>
    page.evaluate(
      ([n, words]) =>
        window.say({ kind: 'log', seq: n, reset: false, skipped: 0, lines: [[n, Date.now() / 1000, 1, words]] }),
      [++seq, text]
    );
  await add('first');
  await page.getByText('first').waitFor();
  assert.ok(await atEnd(), 'follows');
  await box.evaluate(node => (node.scrollTop = 0));
  await page.getByRole('button', { name: 'Follow' }).waitFor();
  await add('second');
  await page.getByText('second').waitFor();
  assert.ok(!(await atEnd()), 'stays where somebody reads');
  await page.getByRole('button', { name: 'Follow' }).click();
  assert.ok(await atEnd(), 'follows again');
});

await finish();
