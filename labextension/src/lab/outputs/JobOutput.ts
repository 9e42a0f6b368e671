/**
 * Draws an output of a job in JupyterLab and Notebook 7: live from the kernel if it still has the view, else live from
 * the Jupyter server if it has the job, else the saved picture. Switches between them when that changes.
 *
 * The widget manager alone would show "Error displaying widget" for a view whose kernel is gone. It is used only for
 * views that its kernel connection has a comm for. So the server is used after a restart, a closed browser or with a
 * kernel that has not run, and a reloaded page switches to its kernel when the manager has restored its widgets. An
 * output that is not trusted requests nothing from the server: only its picture is drawn, as in hosts without us.
 */
import { type IRenderMime, MimeModel } from '@jupyterlab/rendermime';
import type { ReadonlyPartialJSONValue } from '@lumino/coreutils';
import { Panel, type Widget } from '@lumino/widgets';

import type { Channel } from '../../core/jobs/jobStream';
import { trans } from '../../core/i18n';
import { readOutput, type SavedOutput, VIEW_MIME } from './outputMime';
import { type LiveOutputs, observeVisibility } from './liveOutputs';
import type { LiveJob } from './liveJob';
import { LiveView } from '../views/LiveView';
import type { Page, OpenPages } from './openPages';

/** Kernel states without working comms. */
const KERNEL_LOST = ['restarting', 'autorestarting', 'dead', 'terminating'];

export class JobOutput extends Panel implements IRenderMime.IRenderer {
  private page: Page | null = null;
  private saved: SavedOutput | null = null;
  private isTrusted = false;
  private isSeen = false;
  private job: LiveJob | null = null;
  private shown: Widget | null = null;
  /** The source that `shown` draws: the id of a live view, a channel of the server, or the picture. */
  private drawn: unknown = null;
  private readonly stopObserving: () => void;

  constructor(
    private readonly pages: OpenPages,
    private readonly resolver: object | null,
    private readonly live: LiveOutputs | null
  ) {
    super();
    this.addClass('tj-output');
    pages.onOpened(this.redraw, this);
    this.stopObserving = observeVisibility(this.node, isSeen => {
      this.isSeen = isSeen;
      void this.redraw();
    });
  }

  /** Called again with each change of the saved output. */
  async renderModel(model: IRenderMime.IMimeModel): Promise<void> {
    const before = this.saved;
    this.saved = readOutput(model.data);
    this.isTrusted = model.trusted;
    if (before?.uid !== this.saved?.uid) {
      this.disposeJob();
    }
    await this.redraw();
  }

  override dispose(): void {
    this.stopObserving();
    this.disposeJob();
    super.dispose();
  }

  /** Draws the best available representation, if it has changed. */
  private async redraw(): Promise<void> {
    if (this.isDisposed || this.saved === null) {
      return;
    }
    const page = this.findPage();
    const { viewId, showCommand: line, type, picture } = this.saved;
    const isLive = page !== null && hasView(page, viewId);
    const channel = this.findLiveChannel(this.saved, isLive);
    const wanted = isLive ? viewId : (channel ?? picture);
    const isPicture = !isLive && channel === null;
    const remedy = this.job?.isGone ? '' : trans.__('Run %1 to show it live.', line);
    this.setNote(isPicture ? [trans.__('Saved picture.'), this.job?.why, remedy] : []);
    if (wanted === this.drawn) {
      return;
    }
    this.drawn = wanted;
    this.shown?.dispose();
    if (isLive) {
      // A new object: the manager clears the id in the data that it got when its view is disposed.
      await this.render(page, VIEW_MIME, { version_major: 2, version_minor: 0, model_id: viewId }, true);
    } else if (channel !== null) {
      this.replaceContent(new LiveView(channel));
    } else {
      // A picture is always sanitised.
      await this.render(page, type, picture, false);
    }
  }

  /** Returns the server's channel of the job, opening it when needed. */
  private findLiveChannel(saved: SavedOutput, isLive: boolean): Channel | null {
    if (isLive || !this.isTrusted) {
      this.disposeJob();
      return null;
    }
    if (this.job === null && this.isSeen) {
      this.job = this.live?.open(saved, () => void this.redraw()) ?? null;
    }
    this.job?.setVisible(this.isSeen);
    return this.job?.channel ?? null;
  }

  private disposeJob(): void {
    this.job?.dispose();
    this.job = null;
  }

  private async render(
    page: Page | null,
    type: string,
    data: ReadonlyPartialJSONValue,
    trusted: boolean
  ): Promise<void> {
    const renderer = (page?.rendermime ?? this.pages.rendermime).createRenderer(type);
    this.replaceContent(renderer);
    await renderer.renderModel(new MimeModel({ data: { [type]: data }, trusted }));
  }

  private replaceContent(widget: Widget): void {
    this.shown = widget;
    this.addWidget(widget);
  }

  private findPage(): Page | null {
    if (this.page === null && this.resolver !== null) {
      this.page = this.pages.find(this.resolver);
      this.page?.onChange(this.redraw, this);
    }
    return this.page;
  }

  private setNote(sentences: (string | undefined)[]): void {
    const text = sentences.filter(Boolean).join(' ');
    const existing = this.node.querySelector('.tj-output-note');
    if (text === '') {
      existing?.remove();
    } else if (existing?.textContent !== text) {
      const note = existing ?? document.createElement('p');
      note.className = 'tj-output-note';
      note.textContent = text;
      this.node.append(note);
    }
  }
}

function hasView({ session }: Page, viewId: string): boolean {
  const kernel = session.session?.kernel;
  return Boolean(kernel && viewId !== '' && !KERNEL_LOST.includes(kernel.status) && kernel.hasComm(viewId));
}
