/** Diagnostics of this computer and the cluster with remedies, loaded on demand. */
import { useState } from 'react';
import type { ReactElement } from 'react';

import { type Texts, textOf, trans } from '../../core/i18n';
import type { Check } from '../server/api';

const MARKS: Texts<Check['level']> = {
  problem: () => trans.__('Problem'),
  note: () => trans.__('Note'),
  ok: () => trans.__('OK')
};
const TONES: Record<Check['level'], string> = { problem: 'bad', note: 'warn', ok: 'good' };
const ORDER: Check['level'][] = ['problem', 'note', 'ok'];

export function Doctor({ onLoad }: { onLoad: () => Promise<readonly Check[]> }): ReactElement {
  const [result, setResult] = useState<readonly Check[] | string | null>(null);
  const load = (): void => {
    setResult(null);
    onLoad().then(setResult, (error: Error) => setResult(error.message));
  };
  return (
    <details onToggle={event => event.currentTarget.open && load()}>
      <summary>{trans.__('Doctor')}</summary>
      <div role="status">
        {result === null && <p className="tj-quiet">{trans.__('Looking…')}</p>}
        {typeof result === 'string' && <p className="tj-tone-bad">{result}</p>}
      </div>
      {result !== null && typeof result !== 'string' && (
        <ul className="tj-side-plain">
          {ORDER.flatMap(level => result.filter(item => item.level === level)).map(item => (
            <li key={item.name}>
              <span className={`tj-tone-${TONES[item.level]}`}>{textOf(MARKS, item.level)}</span>{' '}
              <b>{item.name}</b> <span className="tj-quiet">{item.text}</span>
              {item.remedy !== '' && <p className="tj-side-remedy">{item.remedy}</p>}
            </li>
          ))}
        </ul>
      )}
    </details>
  );
}
