/**
 * Draws an output of a job in JupyterLab and Notebook 7: live where the kernel of its page still knows the view, else
 * the saved picture, and one for the other the moment that changes.
 *
 * The widget manager alone would say "Error displaying widget" for a view whose kernel is gone. It is asked only for
 * views that its kernel connection has a comm for; so a restart, a closed browser or an untouched kernel show the
 * picture, and a reloaded page turns live when the manager has found its widgets again.
 */
import { MimeModel, type Model, type Renderer } from '@jupyterlab/rendermime';
import { Panel } from '@lumino/widgets';

import { read, type Saved, VIEW } from './bundle';
import type { Page, Pages } from './pages';

/** States in which a kernel has lost its comms, or is about to. */
const GONE = ['restarting', 'autorestarting', 'dead', 'terminating'];

export class JobOutput extends Panel implements Renderer {
  private readonly pages: Pages;
  private readonly resolver: object | null;
  private page: Page | null = null;
  private saved: Saved | null = null;
  private shown: Renderer | null = null;
  /** What `shown` draws: the id of a live view, or the picture. */
  private drawn: unknown = null;

  constructor(pages: Pages, resolver: object | null) {
    super();
    this.pages = pages;
    this.resolver = resolver;
    this.addClass('tj-output');
    pages.onOpened(this.look, this);
  }

  /** Called again with each change of the saved output. */
  async renderModel(model: Model): Promise<void> {
    this.saved = read(model.data);
    await this.look();
  }

  /** Draws what can be drawn now, if that is another thing than before. */
  private async look(): Promise<void> {
    if (this.isDisposed || this.saved === null) {
      return;
    }
    const page = this.find();
    const { viewId, line, type, picture } = this.saved;
    const live = page !== null && isKnown(page, viewId);
    const wanted = live ? viewId : picture;
    if (wanted === this.drawn) {
      return;
    }
    this.drawn = wanted;
    this.shown?.dispose();
    this.note(live ? '' : line);
    const rendermime = page?.rendermime ?? this.pages.rendermime;
    this.shown = rendermime.createRenderer(live ? VIEW : type);
    this.addWidget(this.shown);
    // Data of its own: the manager empties the id in what it was given when its view is disposed. And a picture is
    // sanitised whoever made it.
    const data = live
      ? { [VIEW]: { version_major: 2, version_minor: 0, model_id: viewId } }
      : { [type]: picture };
    await this.shown.renderModel(new MimeModel({ data, trusted: live }));
  }

  private find(): Page | null {
    if (this.page === null && this.resolver !== null) {
      this.page = this.pages.find(this.resolver);
      this.page?.onChange(this.look, this);
    }
    return this.page;
  }

  private note(line: string): void {
    this.node.querySelector('.tj-output-note')?.remove();
    if (line !== '') {
      const note = document.createElement('p');
      note.className = 'tj-output-note';
      note.textContent = `Saved picture. ${line} brings the job back to life.`;
      this.node.append(note);
    }
  }
}

function isKnown({ session }: Page, viewId: string): boolean {
  const kernel = session.session?.kernel;
  return Boolean(kernel && viewId !== '' && !GONE.includes(kernel.status) && kernel.hasComm(viewId));
}
