/**
 * The cell's widget: what anywidget loads.
 *
 * The default export is a function, so that each model has jobs of its own: they listen from `initialize` on, before the
 * first `render`, and every view of the model draws from them. Nothing that grows is a trait.
 */
import { createElement, render as draw } from 'preact';

import { Jobs } from '../core/jobs';
import type { FromKernel } from '../core/protocol';
import type { Job } from '../core/types';
import { Widget } from '../ui/Widget';
import '../ui/style/index.css';

/** What is used of anywidget's model, so that anything that speaks it can host the widget. */
interface Model {
  get(name: 'state'): Job;
  get(name: 'kind'): 'job' | 'panel' | undefined;
  on(event: 'change:state', callback: () => void): void;
  on(event: 'msg:custom', callback: (message: FromKernel, buffers?: DataView[]) => void): void;
  off(event: string, callback: unknown): void;
  send(message: unknown): void;
}

export default function widget(): {
  initialize(context: { model: Model }): () => void;
  render(context: { model: Model; el: HTMLElement }): () => void;
} {
  let jobs: Jobs | null = null;
  return {
    initialize({ model }) {
      const made = new Jobs(message => model.send(message), { panel: model.get('kind') === 'panel' });
      const onState = (): void => made.setJob(model.get('state'), { fresh: true });
      const onMessage = (message: FromKernel, buffers: DataView[] = []): void =>
        made.receive(message, buffers);
      jobs = made;
      made.setJob(model.get('state'), { fresh: false });
      model.on('change:state', onState);
      model.on('msg:custom', onMessage);
      return () => {
        model.off('change:state', onState);
        model.off('msg:custom', onMessage);
      };
    },
    render({ el }) {
      if (jobs === null) {
        return () => undefined;
      }
      el.classList.add('tj-host');
      draw(createElement(Widget, { jobs }), el);
      jobs.ready();
      return () => draw(null, el);
    }
  };
}
