/**
 * Draws an output of a job in JupyterLab and Notebook 7: live where the kernel of its page still knows the view, else
 * live from the Jupyter server where that knows the job, else the saved picture; and one for the other the moment that
 * changes.
 *
 * The widget manager alone would say "Error displaying widget" for a view whose kernel is gone. It is asked only for
 * views that its kernel connection has a comm for; so after a restart, a closed browser or with an untouched kernel the
 * server is asked, and a reloaded page turns to its kernel when the manager has found its widgets again. What a
 * notebook says that nobody trusts asks no server: hosts draw its picture without us, and so do we.
 */
import { MimeModel, type Model, type Renderer } from '@jupyterlab/rendermime';
import { Panel, type Widget } from '@lumino/widgets';

import type { Place } from '../core/stream';
import { trans } from '../core/words';
import { read, type Saved, VIEW } from './bundle';
import { type LiveOutputs, onSight } from './live';
import type { LiveJob } from './liveJob';
import { LiveView } from './LiveView';
import type { Page, Pages } from './pages';

/** States in which a kernel has lost its comms, or is about to. */
const GONE = ['restarting', 'autorestarting', 'dead', 'terminating'];

export class JobOutput extends Panel implements Renderer {
  private page: Page | null = null;
  private saved: Saved | null = null;
  private isTrusted = false;
  private isSeen = false;
  private job: LiveJob | null = null;
  private shown: Widget | null = null;
  /** What `shown` draws: the id of a live view, a place of the server, or the picture. */
  private drawn: unknown = null;
  private readonly leaveSight: () => void;

  constructor(
    private readonly pages: Pages,
    private readonly resolver: object | null,
    private readonly live: LiveOutputs | null
  ) {
    super();
    this.addClass('tj-output');
    pages.onOpened(this.look, this);
    this.leaveSight = onSight(this.node, isSeen => {
      this.isSeen = isSeen;
      void this.look();
    });
  }

  /** Called again with each change of the saved output. */
  async renderModel(model: Model): Promise<void> {
    const before = this.saved;
    this.saved = read(model.data);
    this.isTrusted = model.trusted;
    if (before?.uid !== this.saved?.uid) {
      this.forget();
    }
    await this.look();
  }

  override dispose(): void {
    this.leaveSight();
    this.forget();
    super.dispose();
  }

  /** Draws what can be drawn now, if that is another thing than before. */
  private async look(): Promise<void> {
    if (this.isDisposed || this.saved === null) {
      return;
    }
    const page = this.find();
    const { viewId, line, type, picture } = this.saved;
    const isLive = page !== null && isKnown(page, viewId);
    const place = this.ask(this.saved, isLive);
    const wanted = isLive ? viewId : (place ?? picture);
    const isPicture = !isLive && place === null;
    const remedy = this.job?.isGone ? '' : trans.__('%1 brings it back to life.', line);
    this.note(isPicture ? [trans.__('Saved picture.'), this.job?.why, remedy] : []);
    if (wanted === this.drawn) {
      return;
    }
    this.drawn = wanted;
    this.shown?.dispose();
    if (isLive) {
      // Data of its own: the manager empties the id in what it was given when its view is disposed.
      await this.render(page, VIEW, { version_major: 2, version_minor: 0, model_id: viewId }, true);
    } else if (place !== null) {
      this.show(new LiveView(place));
    } else {
      // A picture is sanitised whoever made it.
      await this.render(page, type, picture, false);
    }
  }

  /** Returns where the server has the job; asks it while that is of use. */
  private ask(saved: Saved, isLive: boolean): Place | null {
    if (isLive || !this.isTrusted) {
      this.forget();
      return null;
    }
    if (this.job === null && this.isSeen) {
      this.job = this.live?.open(saved, () => void this.look()) ?? null;
    }
    this.job?.see(this.isSeen);
    return this.job?.place ?? null;
  }

  private forget(): void {
    this.job?.dispose();
    this.job = null;
  }

  private async render(page: Page | null, type: string, data: unknown, trusted: boolean): Promise<void> {
    const renderer = (page?.rendermime ?? this.pages.rendermime).createRenderer(type);
    this.show(renderer);
    await renderer.renderModel(new MimeModel({ data: { [type]: data }, trusted }));
  }

  private show(widget: Widget): void {
    this.shown = widget;
    this.addWidget(widget);
  }

  private find(): Page | null {
    if (this.page === null && this.resolver !== null) {
      this.page = this.pages.find(this.resolver);
      this.page?.onChange(this.look, this);
    }
    return this.page;
  }

  private note(sentences: (string | undefined)[]): void {
    const text = sentences.filter(Boolean).join(' ');
    const found = this.node.querySelector('.tj-output-note');
    if (text === '') {
      found?.remove();
    } else if (found?.textContent !== text) {
      const note = found ?? document.createElement('p');
      note.className = 'tj-output-note';
      note.textContent = text;
      this.node.append(note);
    }
  }
}

function isKnown({ session }: Page, viewId: string): boolean {
  const kernel = session.session?.kernel;
  return Boolean(kernel && viewId !== '' && !GONE.includes(kernel.status) && kernel.hasComm(viewId));
}
