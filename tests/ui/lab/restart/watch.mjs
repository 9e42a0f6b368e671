// Watches a job whose notebook has no kernel while the server goes, asks to log in anew, and comes back. Says on its
// output what it sees, and goes on when a line comes in.
import {
  card,
  done,
  gate,
  leave,
  output,
  say,
  scenario,
  shot,
  training,
  unattended,
  until
} from '../jupyter.mjs';

await scenario('a job in a page whose server restarts', async open => {
  const hold = gate('lasting');
  const name = 'lasting.ipynb';
  await leave(open, name, training('lasting', hold));
  const page = await open(name, { expected: /WebSocket|Failed to load resource|ERR_|Kernel is dead/ });
  await unattended(page, 1);
  await until(page, 1, 'Running');
  await say('the job');
  const trouble = output(page, 1).locator('.tj-trouble');
  await trouble.getByText('The Jupyter server does not answer').waitFor();
  await shot(page, 'server-away');
  await card(page, 1).locator('canvas').first().waitFor();
  await say('the job as it was');
  await trouble.getByRole('link', { name: 'Log in' }).waitFor();
  await shot(page, 'server-login');
  await say('where to log in');
  await trouble.waitFor({ state: 'detached' });
  hold.open();
  await until(page, 1, 'Complete');
  await say('its end');
});

await done();
process.exit();
