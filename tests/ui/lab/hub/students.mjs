// Ada trains behind a hub, while her proxy and server restart and log her out; Bob has no access to her server.
import {
  assert,
  done,
  createGate,
  more,
  run,
  saveInState,
  reportStep,
  scenario,
  shot,
  openSidebar,
  stopJob,
  training,
  waitForState,
  write
} from '../jupyter.mjs';
import { login } from './login.mjs';

const { hub } = more;
const HERE = /^ws:\/\/127\.0\.0\.1:\d+\/school\/user\/ada\/jupyter-trainjob\/stream$/;
const ROUTE = `${hub}user/ada/jupyter-trainjob/clusters`;

await scenario('a job behind a hub and its proxy', async open => {
  const sockets = [];
  const hold = createGate('school');
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
  await waitForState(page, 1, 'Running');
  await saveInState(page, name, 1, 'Running');
  await (await openSidebar(page)).locator('.tj-row').click();
  const tab = page.locator('.tj-tab');
  await tab.locator('[data-state=Running] canvas').first().waitFor();
  assert.equal(sockets.length, 1, 'one stream for the whole page');
  assert.match(sockets[0], HERE, 'the URL has the path, and no token');
  await shot(page, 'hub');

  const refused = await page.evaluate(
    url => fetch(url, { method: 'POST', body: '{"do": "stop"}' }).then(({ status }) => status),
    `${hub}user/ada/jupyter-trainjob/embedded`
  );
  assert.equal(refused, 403, 'accepted without the XSRF token');
  assert.equal((await fetch(ROUTE, { redirect: 'manual' })).status, 403, 'answered without a login');

  const other = await page.context().browser().newContext();
  const bob = await other.newPage();
  await login('bob')(bob);
  const response = await bob.goto(ROUTE);
  assert.equal(response.status(), 403, "Bob can read Ada's clusters");
  await other.close();
  await reportStep('the job');

  const trouble = tab.locator('.tj-trouble');
  await trouble.getByText('The Jupyter server does not answer').waitFor();
  await reportStep('the proxy stopped');
  await trouble.waitFor({ state: 'detached' });
  await reportStep('the proxy restarted');
  await trouble.waitFor();
  await shot(page, 'hub-server-away');
  await reportStep('the server stopped');
  // The hub has given the server another identity, so earlier logins are invalid.
  // JupyterLab asks at every failed request whether to restart the server, also after that was dismissed, and
  // reports that the kernel ended with its server.
  await page.addLocatorHandler(
    page.getByRole('dialog', { name: /^(Server unavailable|Error Starting Kernel)/ }),
    dialog => dialog.getByRole('button', { name: /^(Dismiss|Ok)$/ }).click()
  );
  const [front] = await Promise.all([
    page.waitForEvent('popup'),
    trouble.getByRole('link', { name: 'Log in' }).click()
  ]);
  await front.waitForURL(/\/school\/user\/ada\/lab/);
  await shot(page, 'hub-login');
  await front.close();
  await trouble.waitFor({ state: 'detached' });
  await stopJob(tab);
  await tab.locator('[data-state=Stopped]').waitFor();
  assert.ok(
    sockets.every(each => HERE.test(each)),
    sockets.join()
  );
});

await done();
process.exit();
