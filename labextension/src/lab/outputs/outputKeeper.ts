/**
 * Keeps the saved outputs of a notebook up to date after its page was reloaded.
 *
 * A kernel updates an output by its display id. JupyterLab maps display ids to outputs only while they are created, and
 * loses the map on a reload: without this, a notebook would keep the picture of the moment of the reload. The id of the
 * view, which is saved with each output, identifies it instead.
 */
import type { ICellModel, ICodeCellModel } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { KernelMessage } from '@jupyterlab/services';

import { isSameView, readOutput } from './outputMime';

export function keepOutputs(panel: NotebookPanel): void {
  panel.sessionContext.iopubMessage.connect((_, message) => update(panel, message));
}

/** The outputs of a code cell; other cells have none. */
export const outputsOf = (cell: ICellModel): ICodeCellModel['outputs'] | undefined =>
  (cell as Partial<ICodeCellModel>).outputs;

function update(panel: NotebookPanel, message: KernelMessage.IMessage): void {
  if (message.header.msg_type !== 'update_display_data') {
    return;
  }
  const { content } = message as KernelMessage.IUpdateDisplayDataMsg;
  const update = readOutput(content.data);
  if (update === null) {
    return;
  }
  for (const cell of panel.content.model?.cells ?? []) {
    const outputs = outputsOf(cell);
    for (let index = 0; outputs && index < outputs.length; index += 1) {
      const output = outputs.get(index);
      const saved = readOutput(output.data);
      if (
        saved &&
        isSameView(saved, update) &&
        JSON.stringify(output.data) !== JSON.stringify(content.data)
      ) {
        outputs.set(index, {
          ...output.toJSON(),
          data: content.data,
          metadata: content.metadata
        });
      }
    }
  }
}
