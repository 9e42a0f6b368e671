/** A runtime in a line: for the sidebar and the form. */
import { trans } from '../../core/i18n';
import type { Runtime } from './api';

export const runtimeText = ({ kind, framework, image, python, packages, gpus }: Runtime): string =>
  [
    framework,
    image && trans.__('image %1', image),
    python && trans.__('Python %1', python),
    packages.join(', '),
    gpus > 0 ? trans._n('%1 GPU', '%1 GPUs', gpus) : '',
    kind === 'TrainingRuntime' ? trans.__('of this namespace') : ''
  ]
    .filter(Boolean)
    .join(' · ');
