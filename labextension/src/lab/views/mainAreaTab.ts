/** A tab of the main area. Takes the focus when activated: JupyterLab treats the focused tab as the current one. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { ReactWidget } from '@jupyterlab/ui-components';
import { TabPanel } from '@lumino/widgets';

import { icon } from './icon';

/** The application that shows one document in its main area, and other tabs below it. */
const NOTEBOOK = 'Jupyter Notebook';

/** The area that tabs are added to. */
export const areaOf = (app: JupyterFrontEnd): 'main' | 'down' => (app.name === NOTEBOOK ? 'down' : 'main');

export abstract class MainAreaTab extends ReactWidget {
  constructor(id: string, label: string) {
    super();
    this.id = id;
    this.addClass('tj-tab');
    this.node.tabIndex = -1;
    this.title.icon = icon;
    this.title.label = label;
    this.title.closable = true;
  }

  protected override onActivateRequest(): void {
    const below = this.parent?.parent; // Notebook 7 does not select the tab itself.
    if (below instanceof TabPanel) {
      below.currentWidget = this;
    }
    this.node.focus();
  }
}
