import { useId, useState } from 'react';
import type { ReactElement } from 'react';

import { hasRange, row, summary } from '../core/curves';
import { isLive } from '../core/describe';
import { plural, value } from '../core/format';
import type { Curve, Job, Source } from '../core/types';
import { Chart } from './Chart';
import { DataTable } from './DataTable';
import { useView } from './useView';

/** Up to here metrics are chosen by tabs that show their values, beyond it from a list. */
const MAX_TABS = 5;

/** One curve at a time: the first metric, or the one that was chosen. */
export function CurvePanel({ source }: { source: Source }): ReactElement | null {
  const { job, curves } = useView(source);
  const [chosen, choose] = useState<string | null>(null);
  const [asTable, setAsTable] = useState(false);
  const [pointed, point] = useState<number | null>(null);
  const names = job === null ? [] : metricNames(job, curves);
  const name = chosen !== null && names.includes(chosen) ? chosen : names[0];
  if (job === null || name === undefined) {
    return null;
  }
  const curve = curves.get(name);
  return (
    <div className="tj-curves">
      <div className="tj-curves-head">
        <Chooser names={names} name={name} values={new Map(job.metrics)} onChoose={choose} />
        <span className="tj-readout">{curve !== undefined && readout(curve, asTable ? null : pointed)}</span>
        <button
          type="button"
          className="tj-link"
          aria-pressed={asTable}
          disabled={curve === undefined}
          onClick={() => setAsTable(!asTable)}
        >
          {asTable ? 'Show curve' : 'Show data'}
        </button>
      </div>
      {curve === undefined ? (
        <div className="tj-chart" />
      ) : asTable ? (
        <DataTable name={name} curve={curve} />
      ) : (
        <Chart
          label={summary(name, curve)}
          curve={curve}
          total={isLive(job.state) ? job.total : null}
          onPoint={point}
        />
      )}
    </div>
  );
}

function metricNames(job: Job, curves: ReadonlyMap<string, Curve>): string[] {
  return [...new Set([...job.metrics.map(([name]) => name), ...curves.keys()])];
}

/** The point under the pointer, else what the line and the band are. */
function readout(curve: Curve, pointed: number | null): string {
  if (pointed !== null && pointed < curve.x.length) {
    const [step, mean, low, high] = row(curve, pointed);
    return `step ${step} · ${mean}${hasRange(curve) ? ` (${low} – ${high})` : ''}`;
  }
  return curve.ranks > 1 ? `mean and range of ${plural(curve.ranks, 'rank')}` : '';
}

interface ChooserProps {
  names: string[];
  name: string;
  values: Map<string, number | string>;
  onChoose: (name: string) => void;
}

function Chooser({ names, name, values, onChoose }: ChooserProps): ReactElement {
  const group = useId();
  if (names.length > MAX_TABS) {
    return (
      <label className="tj-choice">
        <span className="tj-unseen">Metric </span>
        <select className="tj-select" value={name} onChange={event => onChoose(event.currentTarget.value)}>
          {names.map(each => (
            <option key={each} value={each}>
              {each}
            </option>
          ))}
        </select>
        <Value of={values.get(name)} />
      </label>
    );
  }
  return (
    <div className="tj-tabs" role="radiogroup" aria-label="Metric">
      {names.map(each => (
        <label key={each} className={`tj-tab${each === name ? ' tj-tab-on' : ''}`}>
          <input type="radio" name={group} checked={each === name} onChange={() => onChoose(each)} />
          <span className="tj-tab-name">{each}</span> <Value of={values.get(each)} />
        </label>
      ))}
    </div>
  );
}

function Value({ of: number }: { of: number | string | undefined }): ReactElement {
  return <span className="tj-value">{number === undefined ? '' : value(number)}</span>;
}
