/**
 * Finds the notebook or console of an output, and observes its kernel.
 *
 * A renderer gets no reference to its page, only the page's resolver of relative links, which identifies it.
 */
import type { ISessionContext } from '@jupyterlab/apputils';
import type { IConsoleTracker } from '@jupyterlab/console';
import type { INotebookTracker } from '@jupyterlab/notebook';
import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';

export interface Page {
  readonly rendermime: IRenderMimeRegistry;
  readonly session: ISessionContext;
  /** Calls back, until `owner` is disposed, when a view may have become live or lost its kernel. */
  onChange(callback: () => void, owner: object): void;
}

export interface OpenPages {
  /** For outputs whose page is unknown. */
  readonly rendermime: IRenderMimeRegistry;
  find(resolver: object): Page | null;
  /** Calls back, until `owner` is disposed, when a page was opened. */
  onOpened(callback: () => void, owner: object): void;
}

export function pagesOf(
  rendermime: IRenderMimeRegistry,
  notebooks: INotebookTracker | null,
  consoles: IConsoleTracker | null
): OpenPages {
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

function page(rendermime: IRenderMimeRegistry, session: ISessionContext): Page {
  return {
    rendermime,
    session,
    onChange(callback, owner) {
      session.kernelChanged.connect(callback, owner);
      session.statusChanged.connect(callback, owner);
      session.connectionStatusChanged.connect(callback, owner);
      // The manager opens the comms of a reloaded page while the kernel answers it, without a signal of its own.
      session.iopubMessage.connect(callback, owner);
    }
  };
}
