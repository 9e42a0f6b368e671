/** What is wrong with this computer and the cluster, and what to do: looked up when somebody wants to know. */
import { useState } from 'react';
import type { ReactElement } from 'react';

import { trans } from '../../core/words';
import type { Check } from '../api';

const marks = (): Record<Check['level'], [word: string, tone: string]> => ({
  problem: [trans.__('Problem'), 'bad'],
  note: [trans.__('Note'), 'warn'],
  ok: [trans.__('OK'), 'good']
});
const ORDER: Check['level'][] = ['problem', 'note', 'ok'];

export function Doctor({ onAsk }: { onAsk: () => Promise<readonly Check[]> }): ReactElement {
  const [found, set] = useState<readonly Check[] | string | null>(null);
  const ask = (): void => {
    set(null);
    onAsk().then(set, (error: Error) => set(error.message));
  };
  return (
    <details onToggle={event => event.currentTarget.open && ask()}>
      <summary>{trans.__('Doctor')}</summary>
      <div role="status">
        {found === null && <p className="tj-quiet">{trans.__('Looking…')}</p>}
        {typeof found === 'string' && <p className="tj-tone-bad">{found}</p>}
      </div>
      {found !== null && typeof found !== 'string' && (
        <ul className="tj-side-plain">
          {ORDER.flatMap(level => found.filter(each => each.level === level)).map(each => (
            <li key={each.name}>
              <span className={`tj-tone-${marks()[each.level][1]}`}>{marks()[each.level][0]}</span>{' '}
              <b>{each.name}</b> <span className="tj-quiet">{each.text}</span>
              {each.remedy !== '' && <p className="tj-side-remedy">{each.remedy}</p>}
            </li>
          ))}
        </ul>
      )}
    </details>
  );
}
