/**
 * The cell's widget: the module that anywidget loads.
 *
 * The default export is a function, so that each model has its own store of jobs. The store listens from `initialize`
 * on, before the first `render`, and every view of the model draws from it. Data that grows is not a trait.
 */
import { createElement, render as draw } from 'preact';

import { JobsStore } from '../core/jobs/jobsStore';
import type { FromKernel } from '../core/protocol/messages';
import type { Job } from '../core/jobTypes';
import type { JobIdentity } from '../core/jobs/views';
import { Widget } from '../ui/Widget';
import '../ui/style/index.css';

/** The part of anywidget's model that is used, so that any host that implements it can show the widget. */
interface Model {
  get(name: 'state'): Job;
  get(name: 'kind'): 'job' | 'panel' | undefined;
  get(name: 'before'): Partial<JobIdentity> | undefined;
  on(event: 'change:state' | 'change:before', callback: () => void): void;
  on(event: 'msg:custom', callback: (message: FromKernel, buffers?: DataView[]) => void): void;
  off(event: string, callback: unknown): void;
  send(message: unknown): void;
}

export default function widget(): {
  initialize(context: { model: Model }): () => void;
  render(context: { model: Model; el: HTMLElement }): () => void;
} {
  let jobs: JobsStore | null = null;
  return {
    initialize({ model }) {
      const store = new JobsStore(message => model.send(message), { panel: model.get('kind') === 'panel' });
      const onState = (): void => store.setJob(model.get('state'), { fresh: true });
      const onBefore = (): void => store.setBefore(model.get('before'));
      const onMessage = (message: FromKernel, buffers: DataView[] = []): void =>
        store.receive(message, buffers);
      jobs = store;
      store.setJob(model.get('state'), { fresh: false });
      onBefore();
      model.on('change:state', onState);
      model.on('change:before', onBefore);
      model.on('msg:custom', onMessage);
      return () => {
        model.off('change:state', onState);
        model.off('change:before', onBefore);
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
