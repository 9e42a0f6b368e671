/** What is wrong with this computer and the cluster, and what to do: looked up when somebody wants to know. */
import { useState } from 'react';
import type { ReactElement } from 'react';

import { type Texts, textOf, trans } from '../../core/words';
import type { Check } from '../api';

const MARKS: Texts<Check['level']> = {
  problem: () => trans.__('Problem'),
  note: () => trans.__('Note'),
  ok: () => trans.__('OK')
};
const TONES: Record<Check['level'], string> = { problem: 'bad', note: 'warn', ok: 'good' };
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
              <span className={`tj-tone-${TONES[each.level]}`}>{textOf(MARKS, each.level)}</span>{' '}
              <b>{each.name}</b> <span className="tj-quiet">{each.text}</span>
              {each.remedy !== '' && <p className="tj-side-remedy">{each.remedy}</p>}
            </li>
          ))}
        </ul>
      )}
    </details>
  );
}
