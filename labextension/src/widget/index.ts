/**
 * The cell's widget: what anywidget loads.
 *
 * The default export is a function, so that each model has a store of its own: it listens from `initialize` on, before
 * the first `render`, and every view of the model draws from it. Nothing that grows is a trait.
 */
import { createElement, render as draw } from 'preact';

import { JobStore } from '../core/store';
import type { FromKernel, Job } from '../core/types';
import { JobCard } from '../ui/JobCard';
import '../ui/style/index.css';

/** What is used of anywidget's model, so that anything that speaks it can host the widget. */
interface Model {
  get(name: 'state'): Job;
  on(event: 'change:state', callback: () => void): void;
  on(event: 'msg:custom', callback: (message: FromKernel, buffers?: DataView[]) => void): void;
  off(event: string, callback: unknown): void;
  send(message: unknown): void;
}

export default function widget(): {
  initialize(context: { model: Model }): () => void;
  render(context: { model: Model; el: HTMLElement }): () => void;
} {
  let store: JobStore | null = null;
  return {
    initialize({ model }) {
      const made = new JobStore(message => model.send(message));
      const onState = (): void => made.setJob(model.get('state'), { fresh: true });
      const onMessage = (message: FromKernel, buffers: DataView[] = []): void =>
        made.receive(message, buffers);
      store = made;
      made.setJob(model.get('state'), { fresh: false });
      model.on('change:state', onState);
      model.on('msg:custom', onMessage);
      return () => {
        model.off('change:state', onState);
        model.off('msg:custom', onMessage);
      };
    },
    render({ el }) {
      if (store === null) {
        return () => undefined;
      }
      el.classList.add('tj-host');
      draw(createElement(JobCard, { source: store }), el);
      store.ready();
      return () => draw(null, el);
    }
  };
}
