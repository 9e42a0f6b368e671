/** The sidebar: the jobs of a place, live, fed by the Jupyter server. */
import { ReactWidget } from '@jupyterlab/ui-components';
import type { ReactElement } from 'react';

import type { Place } from '../core/stream';
import { JobList } from '../ui/JobList';
import { useView } from '../ui/useView';

export class Sidebar extends ReactWidget {
  constructor(
    private readonly place: Place,
    private readonly onOpen: (uid: string) => void
  ) {
    super();
    this.id = 'jupyter-trainjob:sidebar';
    this.addClass('tj-sidebar');
    this.title.caption = 'Training jobs';
  }

  render(): ReactElement {
    return <Panel place={this.place} onOpen={this.onOpen} />;
  }
}

function Panel({ place, onOpen }: { place: Place; onOpen: (uid: string) => void }): ReactElement {
  const { rows, trouble } = useView(place.jobs);
  const { trouble: away } = useView(place);
  const why = away || trouble;
  return (
    <div className="tj-host">
      {why !== '' && (
        <p className="tj-reason" role="status">
          {why}
        </p>
      )}
      <JobList rows={rows} open={[]} onOpen={onOpen} onClose={onOpen} />
    </div>
  );
}
