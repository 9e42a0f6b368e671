// The list of jobs.
import { everywhere, finish, scenes } from './harness.mjs';

await everywhere(Object.keys(scenes));

await finish();
