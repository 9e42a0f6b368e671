// Ada logs in to a hub, trains a cell, and sees its job in the sidebar.
import {
  assert,
  createGate,
  done,
  openSidebar,
  run,
  scenario,
  training,
  waitForState,
  write
} from '../jupyter.mjs';
import { login } from './login.mjs';

await scenario('a first job behind a hub', async open => {
  const hold = createGate('first');
  const name = write('first.ipynb', ['%load_ext jupyter_trainjob', training('first', hold)]);
  const page = await open(name, { login: false, before: login('ada') });
  assert.match(page.url(), /\/school\/user\/ada\/lab\//);
  await run(page, 0);
  await run(page, 1);
  await waitForState(page, 1, 'Running');
  const row = (await openSidebar(page)).locator('.tj-row', { hasText: /first-\w{5}/ });
  await row.getByText('Running', { exact: true }).waitFor({ state: 'attached' });
  hold.open();
  await waitForState(page, 1, 'Complete');
  await row.getByText('Complete', { exact: true }).waitFor({ state: 'attached' });
});

await done();
process.exit();
