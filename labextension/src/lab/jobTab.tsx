/** One job as a tab of the main area: the widget's card, fed by the Jupyter server. */
import { ReactWidget } from '@jupyterlab/ui-components';
import type { ReactElement } from 'react';

import type { Opened, Place } from '../core/stream';
import { JobCard } from '../ui/JobCard';
import { useView } from '../ui/useView';
import type { Named } from './tabs';
import { Trouble } from './Trouble';

export class JobTab extends ReactWidget {
  constructor(
    private readonly opened: Opened,
    readonly named: Named
  ) {
    super();
    this.addClass('tj-tab');
    this.title.label = named.name || 'Training job';
    this.title.closable = true;
    opened.place.jobs.open(named.uid);
  }

  override dispose(): void {
    if (!this.isDisposed) {
      this.opened.close();
    }
    super.dispose();
  }

  render(): ReactElement {
    return <Cards place={this.opened.place} />;
  }
}

function Cards({ place }: { place: Place }): ReactElement {
  const { open } = useView(place.jobs);
  return (
    <div className="tj-host">
      <Trouble place={place} />
      {open.map((source, i) => (
        <JobCard
          key={source.uid}
          source={source}
          onClose={i > 0 ? () => place.jobs.close(source.uid) : undefined}
        />
      ))}
    </div>
  );
}
