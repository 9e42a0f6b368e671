/** Saved outputs without a kernel: the plugin that has them drawn from the Jupyter server's stream. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Token } from '@lumino/coreutils';

import type { Saved } from './bundle';
import { LiveJob } from './liveJob';
import { ITrainJobs, type TrainJobs } from './service';

/** Follows what saved outputs show. */
export interface LiveOutputs {
  open(saved: Saved, changed: () => void): LiveJob;
}

export const ILiveOutputs = new Token<LiveOutputs>('jupyter-trainjob:ILiveOutputs');

export const live = {
  id: 'jupyter-trainjob:outputs-live',
  description: "Shows a saved output of a job live without a kernel, from the Jupyter server's stream.",
  autoStart: true,
  requires: [ITrainJobs],
  provides: ILiveOutputs,
  activate: (_app: JupyterFrontEnd, { stream }: TrainJobs): LiveOutputs => ({
    open: (saved, changed) => new LiveJob(stream, saved, changed)
  })
};

/** Calls back when an element comes into sight, or nearly so, and when it goes; returns how to end that. */
export function onSight(element: Element, changed: (isSeen: boolean) => void): () => void {
  const observer = new IntersectionObserver(seen => changed(seen.at(-1)?.isIntersecting === true), {
    rootMargin: '200px'
  });
  observer.observe(element);
  return () => observer.disconnect();
}
