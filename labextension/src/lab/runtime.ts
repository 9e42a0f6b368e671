/** A runtime in a line: for the sidebar and the form. */
import type { Runtime } from './api';

export const described = ({ kind, framework, image, python, packages, gpus }: Runtime): string =>
  [
    framework,
    image && `image ${image}`,
    python && `Python ${python}`,
    packages.join(', '),
    gpus > 0 ? `${gpus} GPUs` : '',
    kind === 'TrainingRuntime' ? 'of this namespace' : ''
  ]
    .filter(Boolean)
    .join(' · ');
