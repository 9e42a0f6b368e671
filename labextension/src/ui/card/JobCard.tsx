/** The card of one job, which a cell shows as its output. */
import { useId, useMemo, useState } from 'react';
import type { ReactElement } from 'react';

import { isLive, reason } from '../../core/jobs/jobText';
import type { JobSource } from '../../core/jobs/views';
import { type Texts, trans } from '../../core/i18n';
import { Announcement } from './Announcement';
import { CurvePanel } from '../curves/CurvePanel';
import { FailureBlock } from './FailureBlock';
import { Head } from './Head';
import { LogPanel } from '../log/LogPanel';
import { NodeGrid } from './NodeGrid';
import { ProgressBar } from './ProgressBar';
import { Tabs } from './Tabs';
import { Timeline } from './Timeline';
import { useNow } from '../controls/useNow';
import { useView } from '../controls/useView';

const TABS = ['Curves', 'Nodes', 'Logs'] as const;
type Tab = (typeof TABS)[number];

const TAB_TEXTS: Texts<Tab> = {
  Curves: () => trans.__('Curves'),
  Nodes: () => trans.__('Nodes'),
  Logs: () => trans.__('Logs')
};

export function JobCard({
  source,
  notice,
  onClose
}: {
  source: JobSource;
  /** A notice at the top of the card. */
  notice?: ReactElement | undefined;
  onClose?: (() => void) | undefined;
}): ReactElement | null {
  const view = useView(source);
  const id = useId();
  const [tab, setTab] = useState<Tab>('Curves');
  const [node, setNode] = useState<number | null>(null);
  const { job } = view;
  // Memoised: log lines arrive more often than changes of nodes.
  const nodes = useMemo(
    () => (
      <NodeGrid
        nodes={view.nodes}
        whole={tab === 'Nodes'}
        chosen={node}
        onChoose={index => {
          setNode(index);
          setTab('Nodes');
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
  const hasContent =
    view.nodes.length > 0 || view.curves.size > 0 || job.metrics.length > 0 || view.log.length > 0;
  return (
    <section className="tj-card" aria-label={trans.__('Training job %1', job.name)} data-state={job.state}>
      <Head job={job} source={source} onClose={onClose} />
      <ProgressBar job={job} />
      {notice}
      {why !== '' && <p className="tj-reason">{why}</p>}
      {job.warnings.map(warning => (
        <p key={warning} className="tj-reason tj-tone-waiting">
          {warning}
        </p>
      ))}
      <Timeline job={job} now={now} />
      {job.failure !== null && <FailureBlock failure={job.failure} />}
      {hasContent && <Tabs id={id} names={TABS} texts={TAB_TEXTS} chosen={tab} onChoose={setTab} />}
      {hasContent && (
        <div id={`${id}-panel`} className="tj-panel" role="tabpanel" aria-labelledby={`${id}-${tab}`}>
          {/* Hidden panels keep their settings. */}
          <div className="tj-panel-curves" hidden={tab !== 'Curves'}>
            <CurvePanel source={source} hidden={tab !== 'Curves'} />
          </div>
          {tab !== 'Logs' && nodes}
          <div className={tab === 'Logs' ? 'tj-panel-log' : undefined} hidden={tab === 'Nodes'}>
            <LogPanel source={source} tail={tab !== 'Logs'} />
          </div>
        </div>
      )}
      <Announcement job={job} />
    </section>
  );
}
