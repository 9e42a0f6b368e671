/**
 * Finds the notebook or console that an output lies in, and hears from its kernel.
 *
 * A renderer is told nothing of its page but the resolver of relative links, which is the page's own.
 */
import type { ConsolePanel } from '@jupyterlab/console';
import type { NotebookPanel, SessionContext, Tracker } from '@jupyterlab/notebook';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';

export interface Page {
  readonly rendermime: IRenderMimeRegistry;
  readonly session: SessionContext;
  /** Calls back, until `owner` is disposed, whenever a view may have come to life or died. */
  onChange(callback: () => void, owner: object): void;
}

export interface Pages {
  /** Where nothing is known of a page. */
  readonly rendermime: IRenderMimeRegistry;
  find(resolver: object): Page | null;
  /** Calls back, until `owner` is disposed, when a page was opened. */
  onOpened(callback: () => void, owner: object): void;
}

export function pagesOf(
  rendermime: IRenderMimeRegistry,
  notebooks: Tracker<NotebookPanel> | null,
  consoles: Tracker<ConsolePanel> | null
): Pages {
  return {
    rendermime,
    find(resolver) {
      const notebook = notebooks?.find(panel => panel.content.rendermime.resolver === resolver);
      if (notebook) {
        return page(notebook.content.rendermime, notebook.sessionContext);
      }
      const console = consoles?.find(panel => panel.console.rendermime.resolver === resolver);
      return console ? page(console.console.rendermime, console.sessionContext) : null;
    },
    onOpened(callback, owner) {
      notebooks?.widgetAdded.connect(callback, owner);
      consoles?.widgetAdded.connect(callback, owner);
    }
  };
}

function page(rendermime: IRenderMimeRegistry, session: SessionContext): Page {
  return {
    rendermime,
    session,
    onChange(callback, owner) {
      session.kernelChanged.connect(callback, owner);
      session.statusChanged.connect(callback, owner);
      session.connectionStatusChanged.connect(callback, owner);
      // The manager opens the comms of a reloaded page while the kernel answers it, and tells nobody.
      session.iopubMessage.connect(callback, owner);
    }
  };
}
