// The nodes of a job: a few, many, slow, failed.
import { everywhere, finish, scenes } from './harness.mjs';

await everywhere(Object.keys(scenes));
await everywhere(Object.keys(scenes), {
  label: '-whole',
  prepare: page => page.getByRole('tab', { name: 'Nodes' }).click()
});

await finish();
