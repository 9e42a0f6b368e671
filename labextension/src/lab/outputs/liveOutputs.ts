/** The plugin that draws saved outputs without a kernel from the Jupyter server's stream. */
import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Token } from '@lumino/coreutils';

import type { SavedOutput } from './outputMime';
import { LiveJob } from './liveJob';
import { ITrainJobs, type TrainJobs } from '../service/plugin';

/** Opens the live data of saved outputs. */
export interface LiveOutputs {
  open(saved: SavedOutput, changed: () => void): LiveJob;
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

/** Calls `changed` when an element enters or leaves the viewport or its margin; returns a function that stops it. */
export function observeVisibility(element: Element, changed: (isSeen: boolean) => void): () => void {
  const observer = new IntersectionObserver(seen => changed(seen.at(-1)?.isIntersecting === true), {
    rootMargin: '200px'
  });
  observer.observe(element);
  return () => observer.disconnect();
}
