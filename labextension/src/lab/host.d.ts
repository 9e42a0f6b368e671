/**
 * What is used of JupyterLab and Notebook 7, which bring these modules along when the extension is loaded.
 *
 * Declared here and not installed: the packages themselves are a JupyterLab each, and what is written down is also all
 * that has to hold in every version from 4.0 on.
 */
declare module '@lumino/coreutils' {
  export class Token<T> {
    constructor(name: string);
    readonly name: string;
    readonly provided: T | undefined;
  }
}

declare module '@lumino/widgets' {
  export class Widget {
    id: string;
    readonly node: HTMLElement;
    readonly isDisposed: boolean;
    readonly parent: Widget | null;
    readonly isVisible: boolean;
    readonly title: { label: string; caption: string; closable: boolean; icon: unknown };
    addClass(name: string): void;
    dispose(): void;
    protected onActivateRequest(): void;
  }
  export class Panel extends Widget {
    addWidget(widget: Widget): void;
  }
  export class TabPanel extends Widget {
    currentWidget: Widget | null;
  }
}

declare module '@jupyterlab/rendermime' {
  import type { Token } from '@lumino/coreutils';
  import type { Widget } from '@lumino/widgets';

  export type Bundle = Record<string, unknown>;

  export interface Model {
    readonly data: Bundle;
    readonly metadata: Bundle;
    readonly trusted: boolean;
  }

  export class MimeModel implements Model {
    constructor(options: { data: Bundle; metadata?: Bundle; trusted?: boolean });
    readonly data: Bundle;
    readonly metadata: Bundle;
    readonly trusted: boolean;
  }

  export interface Renderer extends Widget {
    renderModel(model: Model): Promise<void>;
  }

  export interface RendererOptions {
    readonly resolver: object | null;
  }

  export interface IRenderMimeRegistry {
    createRenderer(mimeType: string): Renderer;
    addFactory(
      factory: {
        safe: boolean;
        mimeTypes: string[];
        createRenderer(options: RendererOptions): Renderer;
      },
      rank: number
    ): void;
    readonly resolver: object | null;
  }
  export const IRenderMimeRegistry: Token<IRenderMimeRegistry>;
}

declare module '@jupyterlab/notebook' {
  import type { IRenderMimeRegistry, Bundle } from '@jupyterlab/rendermime';
  import type { Token } from '@lumino/coreutils';

  export interface Signal<Sender, Value> {
    connect(slot: (sender: Sender, value: Value) => void, thisArg?: object): boolean;
    disconnect(slot: (sender: Sender, value: Value) => void): boolean;
  }

  export interface Tracker<Panel> {
    find(matches: (panel: Panel) => boolean): Panel | undefined;
    forEach(body: (panel: Panel) => void): void;
    readonly widgetAdded: Signal<this, Panel>;
    readonly currentWidget: Panel | null;
    readonly currentChanged: Signal<this, Panel | null>;
  }

  export interface Message {
    readonly header: { readonly msg_type: string };
    readonly content: { readonly data?: Bundle; readonly metadata?: Bundle };
  }

  export interface SessionContext {
    readonly ready: Promise<void>;
    readonly session: { readonly kernel: Kernel | null } | null;
    readonly kernelChanged: Signal<this, unknown>;
    readonly statusChanged: Signal<this, string>;
    readonly connectionStatusChanged: Signal<this, string>;
    readonly iopubMessage: Signal<this, Message>;
  }

  export interface Kernel {
    readonly status: string;
    hasComm(id: string): boolean;
    requestExecute(content: { code: string; silent?: boolean; store_history?: boolean }): {
      readonly done: Promise<unknown>;
    };
  }

  export interface Outputs {
    readonly length: number;
    get(index: number): { readonly data: Bundle; toJSON(): Bundle };
    set(index: number, output: Bundle): void;
  }

  export interface CellModel {
    readonly type: string;
    readonly outputs?: Outputs;
    readonly sharedModel: { getSource(): string; setSource(text: string): void };
  }

  export interface Cell {
    readonly model: CellModel;
  }

  export interface Notebook {
    readonly rendermime: IRenderMimeRegistry;
    readonly model: { readonly cells: Iterable<CellModel> } | null;
    readonly activeCell: Cell | null;
    activeCellIndex: number;
    deselectAll(): void;
    scrollToItem(index: number, align: string): Promise<void>;
  }

  export interface NotebookPanel {
    readonly isDisposed: boolean;
    readonly id: string;
    readonly context: { readonly path: string; readonly ready: Promise<void> };
    readonly sessionContext: SessionContext;
    readonly content: Notebook;
  }

  export interface NotebookTracker extends Tracker<NotebookPanel> {
    readonly activeCellChanged: Signal<this, Cell | null>;
  }
  export const INotebookTracker: Token<NotebookTracker>;

  export const NotebookActions: {
    insertAbove(notebook: Notebook): void;
    insertBelow(notebook: Notebook): void;
    run(notebook: Notebook, session: SessionContext): Promise<boolean>;
  };
}

declare module '@jupyterlab/console' {
  import type { SessionContext, Tracker } from '@jupyterlab/notebook';
  import type { IRenderMimeRegistry } from '@jupyterlab/rendermime';
  import type { Token } from '@lumino/coreutils';

  export interface ConsolePanel {
    readonly sessionContext: SessionContext;
    readonly console: { readonly rendermime: IRenderMimeRegistry };
  }
  export const IConsoleTracker: Token<Tracker<ConsolePanel>>;
}

declare module '@jupyterlab/ui-components' {
  import type { Widget } from '@lumino/widgets';
  import type { ReactElement } from 'react';

  export abstract class ReactWidget extends Widget {
    abstract render(): ReactElement;
  }
  export class LabIcon {
    constructor(options: { name: string; svgstr: string });
    readonly name: string;
  }
}

declare module '@jupyterlab/application' {
  import type { WidgetTracker } from '@jupyterlab/apputils';
  import type { Token } from '@lumino/coreutils';
  import type { Widget } from '@lumino/widgets';

  export interface Shell {
    add(widget: Widget, area: string, options?: { rank?: number; mode?: string }): void;
    activateById(id: string): void;
    widgets(area: string): Iterable<Widget>;
    readonly currentWidget: Widget | null;
  }

  export interface ServerSettings {
    readonly baseUrl: string;
    readonly wsUrl: string;
    readonly token: string;
    readonly appendToken: boolean;
    readonly WebSocket: typeof WebSocket;
  }

  export interface CommandOptions {
    label?: string;
    caption?: string;
    icon?: unknown;
    isEnabled?: (args: Record<string, unknown>) => boolean;
    isVisible?: (args: Record<string, unknown>) => boolean;
    execute: (args: Record<string, unknown>) => unknown;
  }

  export interface Commands {
    addCommand(id: string, options: CommandOptions): void;
    notifyCommandChanged(id: string): void;
    execute(id: string, args?: Record<string, unknown>): Promise<unknown>;
  }

  export interface JupyterFrontEnd {
    readonly name: string;
    readonly commands: Commands;
    readonly shell: Shell;
    contextMenuHitTest(test: (node: HTMLElement) => boolean): HTMLElement | undefined;
    readonly serviceManager: { readonly serverSettings: ServerSettings };
  }

  export interface ILayoutRestorer {
    add(widget: Widget, name: string): void;
    restore<W extends Widget>(
      tracker: WidgetTracker<W>,
      options: {
        command: string;
        args: (widget: W) => Record<string, unknown>;
        name: (widget: W) => string;
      }
    ): Promise<void>;
  }
  export const ILayoutRestorer: Token<ILayoutRestorer>;
}

declare module '@jupyterlab/apputils' {
  import type { Token } from '@lumino/coreutils';
  import type { Widget } from '@lumino/widgets';

  export class WidgetTracker<W extends Widget> {
    constructor(options: { namespace: string });
    add(widget: W): Promise<void>;
    save(widget: W): Promise<void>;
    find(matches: (widget: W) => boolean): W | undefined;
  }

  export const Dialog: {
    cancelButton(options: { label: string }): object;
    warnButton(options: { label: string }): object;
  };
  export function showDialog(options: {
    title: string;
    body: string;
    buttons: readonly object[];
  }): Promise<{ button: { accept: boolean } }>;
  export function showErrorMessage(title: string, error: string): Promise<void>;
  export const InputDialog: {
    getItem(options: {
      title: string;
      label: string;
      items: readonly string[];
    }): Promise<{ value: string | null }>;
  };

  export interface ICommandPalette {
    addItem(item: { command: string; category: string; args?: Record<string, unknown> }): void;
  }
  export const ICommandPalette: Token<ICommandPalette>;
}

declare module '@jupyterlab/running' {
  import type { Token } from '@lumino/coreutils';
  import type { Signal } from '@lumino/signaling';

  export interface RunningItem {
    open(): void;
    shutdown(): void;
    icon(): unknown;
    label(): string;
    labelTitle(): string;
    detail(): string;
  }
  export interface RunningSessions {
    add(manager: {
      name: string;
      running(): RunningItem[];
      shutdownAll(): void;
      refreshRunning(): void;
      runningChanged: Signal<object, void>;
      shutdownLabel: string;
      shutdownAllLabel: string;
      shutdownAllConfirmationText: string;
    }): void;
  }
  export const IRunningSessionManagers: Token<RunningSessions>;
}

declare module '@lumino/signaling' {
  export class Signal<Sender, Value> {
    constructor(sender: Sender);
    emit(value: Value): void;
  }
}

declare module '@jupyterlab/translation' {
  import type { Token } from '@lumino/coreutils';

  export interface Translator {
    load(domain: string): {
      __(text: string, ...values: readonly unknown[]): string;
      _n(one: string, many: string, n: number, ...values: readonly unknown[]): string;
    };
  }
  export const ITranslator: Token<Translator>;
  export const nullTranslator: Translator;
}

declare module '@jupyterlab/settingregistry' {
  import type { Token } from '@lumino/coreutils';

  export interface Settings {
    /** What is set, with the schema's defaults for all else. */
    readonly composite: Record<string, unknown>;
    readonly changed: { connect(heard: () => void): void };
    set(key: string, value: unknown): Promise<void>;
  }
  export interface SettingRegistry {
    load(plugin: string): Promise<Settings>;
  }
  export const ISettingRegistry: Token<SettingRegistry>;
}

declare module '@jupyterlab/services' {
  import type { ServerSettings } from '@jupyterlab/application';

  export const ServerConnection: {
    makeRequest(url: string, init: RequestInit, settings: ServerSettings): Promise<Response>;
  };
}

declare module '*.css';
