/**
 * Keeps the saved outputs of a notebook up to date after its page was reloaded.
 *
 * A kernel updates an output by its display id. JupyterLab learns which outputs these are while it hears them made, and
 * has forgotten it after a reload: without this, a notebook would keep the picture of the moment of the reload. The id
 * of the view, which is saved with each output, tells the same.
 */
import type { Message, NotebookPanel } from '@jupyterlab/notebook';

import { isSameView, read } from './bundle';

export function keepOutputs(panel: NotebookPanel): void {
  panel.sessionContext.iopubMessage.connect((_, message) => update(panel, message));
}

function update(panel: NotebookPanel, { header, content }: Message): void {
  const news = header.msg_type === 'update_display_data' && content.data ? read(content.data) : null;
  if (news === null) {
    return;
  }
  for (const { outputs } of panel.content.model?.cells ?? []) {
    for (let index = 0; outputs && index < outputs.length; index += 1) {
      const output = outputs.get(index);
      const saved = read(output.data);
      if (saved && isSameView(saved, news) && JSON.stringify(output.data) !== JSON.stringify(content.data)) {
        outputs.set(index, {
          ...output.toJSON(),
          data: content.data,
          metadata: content.metadata ?? {}
        });
      }
    }
  }
}
