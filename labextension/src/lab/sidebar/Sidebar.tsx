/** The widget of the left area. */
import { ReactWidget } from '@jupyterlab/ui-components';
import type { ReactElement } from 'react';

import type { Where } from '../../core/stream';
import { trans } from '../../core/words';
import { useView } from '../../ui/useView';
import type { Preferences } from '../preferences';
import type { TrainJobs } from '../service';
import { Model } from './model';
import { Panel } from './Panel';
import type { Sort } from './rows';
import './sidebar.css';

export interface SidebarPreferences {
  sort: Sort;
  /** Seconds between two looks at what is free, while somebody sees it. */
  refresh: number;
}

export interface SidebarOptions {
  onNew: (where: Where) => void;
  onDelete: (uid: string) => void;
}

export class Sidebar extends ReactWidget {
  private readonly model: Model;
  private readonly forget: () => void;
  private beat: number | undefined;

  constructor(
    private readonly jobs: TrainJobs,
    private readonly preferences: Preferences<SidebarPreferences>,
    private readonly options: SidebarOptions
  ) {
    super();
    this.model = new Model(jobs);
    this.id = 'jupyter-trainjob:sidebar';
    this.addClass('tj-sidebar');
    this.title.caption = trans.__('Training jobs');
    void this.model.look();
    this.forget = preferences.subscribe(this.keepTime);
    this.keepTime();
  }

  override dispose(): void {
    this.forget();
    window.clearInterval(this.beat);
    this.model.dispose();
    super.dispose();
  }

  render(): ReactElement {
    return <Shown model={this.model} jobs={this.jobs} preferences={this.preferences} {...this.options} />;
  }

  private keepTime = (): void => {
    window.clearInterval(this.beat);
    const { refresh } = this.preferences.view();
    this.beat = window.setInterval(() => this.isVisible && void this.model.look(), refresh * 1000);
  };
}

function Shown({
  model,
  jobs,
  preferences,
  onNew,
  onDelete
}: SidebarOptions & {
  model: Model;
  jobs: TrainJobs;
  preferences: Preferences<SidebarPreferences>;
}): ReactElement {
  const { place, where, known } = useView(model);
  const { sort } = useView(preferences);
  return (
    <div className="tj-host">
      <Panel
        place={place}
        where={where}
        known={known}
        sort={sort}
        onSort={order => preferences.set('sort', order)}
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
