// The form of a new job.
import { everywhere, finish, scenes } from './harness.mjs';

await everywhere(Object.keys(scenes), { widths: [700, 324] });

await finish();
