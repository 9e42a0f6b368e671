import type { ReactElement } from 'react';

import { MAX_ROWS, hasRange, tableRows } from '../../core/curves/curveData';
import { count } from '../../core/format';
import type { Curve } from '../../core/jobTypes';
import { trans } from '../../core/i18n';

/** The curve as a table, for screen readers and for exact values. */
export function DataTable({ name, curve }: { name: string; curve: Curve }): ReactElement {
  const range = hasRange(curve);
  return (
    <div className="tj-table" role="region" aria-label={trans.__('Data of %1', name)} tabIndex={0}>
      <table>
        <caption className={curve.x.length > MAX_ROWS ? undefined : 'tj-unseen'}>
          <span className="tj-unseen">{trans.__('%1 by step', name)} </span>
          {curve.x.length > MAX_ROWS && trans.__('%1 of %2 points', MAX_ROWS, count(curve.x.length))}
        </caption>
        <thead>
          <tr>
            <th scope="col">{trans.__('step')}</th>
            <th scope="col">{range ? trans.__('mean') : name}</th>
            {range && <th scope="col">{trans.__('lowest rank')}</th>}
            {range && <th scope="col">{trans.__('highest rank')}</th>}
          </tr>
        </thead>
        <tbody>
          {tableRows(curve).map(([step, mean, low, high], i) => (
            <tr key={i}>
              <th scope="row">{step}</th>
              <td>{mean}</td>
              {range && <td>{low}</td>}
              {range && <td>{high}</td>}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
