/** One job, whole: what the cell shows below itself. */
import { useId, useMemo, useState } from 'react';
import type { ReactElement } from 'react';

import { isLive, reason } from '../core/describe';
import type { Source } from '../core/types';
import { type Texts, trans } from '../core/words';
import { Announcement } from './Announcement';
import { CurvePanel } from './CurvePanel';
import { FailureBlock } from './FailureBlock';
import { Head } from './Head';
import { LogPanel } from './LogPanel';
import { NodeGrid } from './NodeGrid';
import { ProgressBar } from './ProgressBar';
import { Tabs } from './Tabs';
import { Timeline } from './Timeline';
import { useNow } from './useNow';
import { useView } from './useView';

const TABS = ['Curves', 'Nodes', 'Logs'] as const;
type Tab = (typeof TABS)[number];

const TAB_TEXTS: Texts<Tab> = {
  Curves: () => trans.__('Curves'),
  Nodes: () => trans.__('Nodes'),
  Logs: () => trans.__('Logs')
};

export function JobCard({
  source,
  onClose
}: {
  source: Source;
  onClose?: (() => void) | undefined;
}): ReactElement | null {
  const view = useView(source);
  const id = useId();
  const [tab, choose] = useState<Tab>('Curves');
  const [node, lookAt] = useState<number | null>(null);
  const { job } = view;
  // Lines of a log come more often than news of nodes.
  const nodes = useMemo(
    () => (
      <NodeGrid
        nodes={view.nodes}
        whole={tab === 'Nodes'}
        chosen={node}
        onChoose={index => {
          lookAt(index);
          choose('Nodes');
        }}
      />
    ),
    [view.nodes, tab, node]
  );
  const now = useNow(job !== null && isLive(job.state)) + view.skew;
  if (job === null) {
    return null;
  }
  const why = reason(job);
  const some = view.nodes.length > 0 || view.curves.size > 0 || job.metrics.length > 0 || view.log.length > 0;
  return (
    <section className="tj-card" aria-label={trans.__('Training job %1', job.name)} data-state={job.state}>
      <Head job={job} source={source} onClose={onClose} />
      <ProgressBar job={job} />
      {why !== '' && <p className="tj-reason">{why}</p>}
      <Timeline job={job} now={now} />
      {job.failure !== null && <FailureBlock failure={job.failure} />}
      {some && <Tabs id={id} names={TABS} texts={TAB_TEXTS} chosen={tab} onChoose={choose} />}
      {some && (
        <div id={`${id}-panel`} role="tabpanel" aria-labelledby={`${id}-${tab}`}>
          {/* Panels keep what was chosen in them while another one is looked at. */}
          <div hidden={tab !== 'Curves'}>
            <CurvePanel source={source} hidden={tab !== 'Curves'} />
          </div>
          {tab !== 'Logs' && nodes}
          <div hidden={tab === 'Nodes'}>
            <LogPanel source={source} tail={tab !== 'Logs'} />
          </div>
        </div>
      )}
      <Announcement job={job} />
    </section>
  );
}
