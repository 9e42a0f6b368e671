// The sidebar: what it says in each of its states, and how it is reached.
import { everywhere, finish, scenes } from './harness.mjs';

await everywhere(Object.keys(scenes), { widths: [324, 224, 524] });

await finish();
