/** A tab of the main area. The one that was activated has the focus: Lab takes the one with the focus for the current one. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { ReactWidget } from '@jupyterlab/ui-components';
import { TabPanel } from '@lumino/widgets';

import { icon } from './icon';

/** Has room for one document in its main area, and shows others below it. */
const NOTEBOOK = 'Jupyter Notebook';

/** Where tabs go. */
export const areaOf = (app: JupyterFrontEnd): 'main' | 'down' => (app.name === NOTEBOOK ? 'down' : 'main');

export abstract class Tab extends ReactWidget {
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
    const below = this.parent?.parent; // Notebook 7 leaves it to the tab to come to the front there.
    if (below instanceof TabPanel) {
      below.currentWidget = this;
    }
    this.node.focus();
  }
}
