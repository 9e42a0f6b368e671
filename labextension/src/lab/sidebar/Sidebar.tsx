/** The widget of the left area. */
import { ReactWidget } from '@jupyterlab/ui-components';
import type { ReactElement } from 'react';

import { trans } from '../../core/i18n';
import { useView } from '../../ui/controls/useView';
import { confirmationFacts } from '../jobs/confirmDialog';
import type { Preferences } from '../server/preferences';
import type { TrainJobs } from '../service/plugin';
import { SidebarModel } from './model';
import { Panel } from './Panel';
import type { Sort } from './rows';
import './sidebar.css';

export type SidebarPreferences = {
  sort: Sort;
  /** Seconds between two requests for the capacity while the sidebar is visible. */
  refresh: number;
};

export interface SidebarOptions {
  onNew: () => void;
  onDelete: (uid: string) => void;
}

export class Sidebar extends ReactWidget {
  private readonly model: SidebarModel;
  private readonly unsubscribe: () => void;
  private refreshTimer: number | undefined;

  constructor(
    private readonly jobs: TrainJobs,
    private readonly preferences: Preferences<SidebarPreferences>,
    private readonly options: SidebarOptions
  ) {
    super();
    this.model = new SidebarModel(jobs);
    this.id = 'jupyter-trainjob:sidebar';
    this.addClass('tj-sidebar');
    this.title.caption = trans.__('Training jobs');
    void this.model.refresh();
    this.unsubscribe = preferences.subscribe(this.restartTimer);
    this.restartTimer();
  }

  override dispose(): void {
    this.unsubscribe();
    window.clearInterval(this.refreshTimer);
    this.model.dispose();
    super.dispose();
  }

  render(): ReactElement {
    return (
      <SidebarPanel model={this.model} jobs={this.jobs} preferences={this.preferences} {...this.options} />
    );
  }

  private restartTimer = (): void => {
    window.clearInterval(this.refreshTimer);
    const { refresh } = this.preferences.view();
    this.refreshTimer = window.setInterval(() => this.isVisible && void this.model.refresh(), refresh * 1000);
  };
}

function SidebarPanel({
  model,
  jobs,
  preferences,
  onNew,
  onDelete
}: SidebarOptions & {
  model: SidebarModel;
  jobs: TrainJobs;
  preferences: Preferences<SidebarPreferences>;
}): ReactElement {
  const { channel, where, info } = useView(model);
  const { sort } = useView(preferences);
  return (
    <div className="tj-host">
      <Panel
        channel={channel}
        where={where}
        info={info}
        sort={sort}
        onSort={order => preferences.set('sort', order)}
        onGo={to => jobs.chosen.choose(to)}
        onOpen={({ uid, name }) => {
          const { context, namespace } = channel.view();
          jobs.open(uid, { name, context, namespace });
        }}
        onDelete={({ uid }) => onDelete(uid)}
        onAct={async ({ uid }, action) => (await channel.jobs.perform(uid, action)).note}
        loadFacts={(row, action) =>
          confirmationFacts(jobs.stream, action, row, { ...channel.view(), namespace: row.namespace })
        }
        onNew={onNew}
        onStart={() => model.setEmbedded('start')}
        onStop={() => model.setEmbedded('stop')}
        onDoctor={() => jobs.api.doctor(channel.view().context)}
      />
    </div>
  );
}
