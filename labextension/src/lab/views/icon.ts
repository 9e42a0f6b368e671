/** The extension's icon. */
import { LabIcon } from '@jupyterlab/ui-components';

export const icon = new LabIcon({
  name: 'jupyter-trainjob:jobs',
  svgstr:
    '<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24"><path class="jp-icon3" fill="#616161" d="M4 19h16v2H2V3h2zm3-4 4-5 3 3 5-7 1.600 1.200-6.400 9-3-3-2.600 3.300z"/></svg>'
});
