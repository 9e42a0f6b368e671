// Watches a job whose notebook has no kernel while the server stops, requires a new login, and returns. Reports its
// steps to the Python test.
import {
  card,
  done,
  createGate,
  leaveRunning,
  output,
  reportStep,
  scenario,
  shot,
  training,
  expectLiveFromServer,
  waitForState
} from '../jupyter.mjs';

await scenario('a job in a page whose server restarts', async open => {
  const hold = createGate('lasting');
  const name = 'lasting.ipynb';
  await leaveRunning(open, name, training('lasting', hold));
  const page = await open(name, { expected: /WebSocket|Failed to load resource|ERR_|Kernel is dead/ });
  await expectLiveFromServer(page, 1);
  await waitForState(page, 1, 'Running');
  await reportStep('the job');
  const trouble = output(page, 1).locator('.tj-trouble');
  await trouble.getByText('The Jupyter server does not answer').waitFor();
  await shot(page, 'server-away');
  await card(page, 1).locator('canvas').first().waitFor();
  await reportStep('the job after the restart');
  await trouble.getByRole('link', { name: 'Log in' }).waitFor();
  await shot(page, 'server-login');
  await reportStep('the login link');
  await trouble.waitFor({ state: 'detached' });
  hold.open();
  await waitForState(page, 1, 'Complete');
  await reportStep('the end of the job');
});

await done();
process.exit();
