// Ada trains behind a hub, while her proxy and her server end and come back, and log her out; Bob may not look.
import {
  assert,
  card,
  done,
  gate,
  more,
  run,
  saveAs,
  say,
  scenario,
  shot,
  sidebar,
  stop,
  training,
  until,
  write
} from '../jupyter.mjs';

const { hub, password } = more;
const HERE = /^ws:\/\/127\.0\.0\.1:\d+\/school\/user\/ada\/jupyter-trainjob\/stream$/;
const ROUTE = `${hub}user/ada/jupyter-trainjob/clusters`;

const login = user => async page => {
  await page.goto(`${hub}hub/login`);
  await page.getByLabel('Username').fill(user);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.waitForURL(each => !each.pathname.includes('/login'));
};

await scenario('behind a hub and its proxy', async open => {
  const sockets = [];
  const hold = gate('school');
  const name = write('school.ipynb', ['%load_ext jupyter_trainjob', training('school', hold)]);
  const page = await open(name, {
    login: false,
    expected: /WebSocket|Failed to load resource|ERR_|status of 502/,
    before: async each => {
      each.on('websocket', socket => socket.url().includes('jupyter-trainjob') && sockets.push(socket.url()));
      await login('ada')(each);
    }
  });
  assert.match(page.url(), /\/school\/user\/ada\/lab\//);
  await run(page, 0);
  await run(page, 1);
  await until(page, 1, 'Running');
  await saveAs(page, name, 1, 'Running');
  await (await sidebar(page)).locator('[data-uid]').click();
  const tab = page.locator('.tj-tab');
  await tab.locator('[data-state=Running] canvas').first().waitFor();
  assert.equal(sockets.length, 1, 'one stream for all of the page');
  assert.match(sockets[0], HERE, 'with the path, and without a token');
  await shot(page, 'hub');

  const refused = await page.evaluate(
    url => fetch(url, { method: 'POST', body: '{"do": "stop"}' }).then(({ status }) => status),
    `${hub}user/ada/jupyter-trainjob/embedded`
  );
  assert.equal(refused, 403, 'changed without the XSRF token');
  assert.equal((await fetch(ROUTE, { redirect: 'manual' })).status, 403, 'who is nobody is answered');

  const other = await page.context().browser().newContext();
  const bob = await other.newPage();
  await login('bob')(bob);
  const asked = await bob.goto(ROUTE);
  assert.equal(asked.status(), 403, 'Bob sees what Ada has');
  await other.close();
  await say('the job');

  const trouble = tab.locator('.tj-trouble');
  await trouble.getByText('The Jupyter server does not answer').waitFor();
  await say('the proxy away');
  await trouble.waitFor({ state: 'detached' });
  await say('the proxy back');
  await trouble.waitFor();
  await shot(page, 'hub-server-away');
  await say('the server away');
  // Its hub has given the server another identity: who was logged in before is not any more.
  await page.getByRole('button', { name: 'Dismiss' }).click();
  const [front] = await Promise.all([
    page.waitForEvent('popup'),
    trouble.getByRole('link', { name: 'Log in' }).click()
  ]);
  await front.waitForURL(/\/school\/user\/ada\/lab/);
  await shot(page, 'hub-login');
  await front.close();
  await trouble.waitFor({ state: 'detached' });
  await stop(tab);
  await tab.locator('[data-state=Stopped]').waitFor();
  assert.ok(
    sockets.every(each => HERE.test(each)),
    sockets.join()
  );
});

await done();
process.exit();
