/** The widget of the left area. */
import { ReactWidget } from '@jupyterlab/ui-components';
import type { ReactElement } from 'react';

import type { Where } from '../../core/stream';
import { trans } from '../../core/words';
import { useView } from '../../ui/useView';
import type { TrainJobs } from '../service';
import { Model } from './model';
import { Panel } from './Panel';
import './sidebar.css';

/** Seconds between two looks at what is free, while somebody sees it. */
const PACE = 15;

export interface SidebarOptions {
  onNew: (where: Where) => void;
  onDelete: (uid: string) => void;
}

export class Sidebar extends ReactWidget {
  private readonly model: Model;
  private readonly beat: number;

  constructor(
    private readonly jobs: TrainJobs,
    private readonly options: SidebarOptions
  ) {
    super();
    this.model = new Model(jobs);
    this.id = 'jupyter-trainjob:sidebar';
    this.addClass('tj-sidebar');
    this.title.caption = trans.__('Training jobs');
    void this.model.look();
    this.beat = window.setInterval(() => this.isVisible && void this.model.look(), PACE * 1000);
  }

  override dispose(): void {
    window.clearInterval(this.beat);
    this.model.dispose();
    super.dispose();
  }

  render(): ReactElement {
    return <Shown model={this.model} jobs={this.jobs} {...this.options} />;
  }
}

function Shown({
  model,
  jobs,
  onNew,
  onDelete
}: SidebarOptions & { model: Model; jobs: TrainJobs }): ReactElement {
  const { place, where, known } = useView(model);
  return (
    <div className="tj-host">
      <Panel
        place={place}
        where={where}
        known={known}
        onGo={to => jobs.where.choose(to)}
        onOpen={({ uid, name }) => {
          const { context, namespace } = place.view();
          jobs.open(uid, { name, context, namespace });
        }}
        onDelete={({ uid }) => onDelete(uid)}
        onNew={() => onNew(where)}
        onStart={() => model.embedded('start')}
        onStop={() => model.embedded('stop')}
        onDoctor={() => jobs.api.doctor(place.view().context)}
      />
    </div>
  );
}
