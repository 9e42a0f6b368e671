/** A tab of the main area. The one that was activated has the focus: Lab takes the one with the focus for the current one. */
import { ReactWidget } from '@jupyterlab/ui-components';

import { icon } from './icon';

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
    this.node.focus();
  }
}
