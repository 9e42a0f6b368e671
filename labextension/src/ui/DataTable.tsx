import type { ReactElement } from 'react';

import { MAX_ROWS, hasRange, rows } from '../core/curves';
import { count } from '../core/format';
import type { Curve } from '../core/types';

/** The curve for those who read it rather than see it. */
export function DataTable({ name, curve }: { name: string; curve: Curve }): ReactElement {
  const range = hasRange(curve);
  return (
    <div className="tj-table" role="region" aria-label={`Data of ${name}`} tabIndex={0}>
      <table>
        <caption className={curve.x.length > MAX_ROWS ? undefined : 'tj-unseen'}>
          <span className="tj-unseen">{name} by step </span>
          {curve.x.length > MAX_ROWS && `${MAX_ROWS} of ${count(curve.x.length)} points`}
        </caption>
        <thead>
          <tr>
            <th scope="col">step</th>
            <th scope="col">{range ? 'mean' : name}</th>
            {range && <th scope="col">lowest rank</th>}
            {range && <th scope="col">highest rank</th>}
          </tr>
        </thead>
        <tbody>
          {rows(curve).map(([step, mean, low, high], i) => (
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
