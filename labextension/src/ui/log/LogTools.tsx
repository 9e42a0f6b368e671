/** The toolbar above a log: search, results, and filters. */
import type { ReactElement } from 'react';

import { count } from '../../core/format';
import type { Query } from '../../core/log/logLines';
import { trans } from '../../core/i18n';
import type { LogReader } from './useLogReader';

export interface LogToolsProps {
  reader: LogReader;
  query: Query;
  onChange: (part: Partial<Query>) => void;
  wrap: boolean;
  onWrap: (wrap: boolean) => void;
  nodes: number;
}

export function LogTools({ reader, query, onChange, wrap, onWrap, nodes }: LogToolsProps): ReactElement {
  const toggle = (option: 'regex' | 'only' | 'errors', label: string): ReactElement => (
    <button
      type="button"
      className="tj-tool"
      aria-pressed={query[option]}
      onClick={() => onChange({ [option]: !query[option] })}
    >
      {label}
    </button>
  );
  return (
    <div className="tj-tools" role="group" aria-label={trans.__('Search the log')}>
      <input
        type="search"
        className="tj-field tj-log-search"
        aria-label={trans.__('Search the log')}
        placeholder={trans.__('Search')}
        value={query.text}
        onInput={event => onChange({ text: event.currentTarget.value })}
        onKeyDown={event => event.key === 'Enter' && reader.seek(event.shiftKey ? -1 : 1)}
      />
      {toggle('regex', trans.__('Regex'))}
      {query.text !== '' && (
        <>
          <SeekButton name={trans.__('Previous')} onClick={() => reader.seek(-1)}>
            ↑
          </SeekButton>
          <SeekButton name={trans.__('Next')} onClick={() => reader.seek(1)}>
            ↓
          </SeekButton>
          {toggle('only', trans.__('Only matches'))}
          <Result reader={reader} />
        </>
      )}
      <span className="tj-tools-end">
        {toggle('errors', trans.__('Errors only'))}
        {nodes > 1 && (
          <input
            className="tj-field"
            aria-label={trans.__('Nodes, such as 0, 3, 5-7')}
            placeholder={trans.__('all nodes')}
            value={query.nodes}
            onInput={event => onChange({ nodes: event.currentTarget.value })}
          />
        )}
        <button type="button" className="tj-tool" aria-pressed={wrap} onClick={() => onWrap(!wrap)}>
          {trans.__('Wrap')}
        </button>
      </span>
    </div>
  );
}

function SeekButton(props: { name: string; children: string; onClick: () => void }): ReactElement {
  const { name, children, onClick } = props;
  return (
    <button type="button" className="tj-tool" aria-label={name} title={name} onClick={onClick}>
      {children}
    </button>
  );
}

/** The number of matches in the loaded lines and before them. */
function Result({ reader }: { reader: LogReader }): ReactElement {
  const { earlier } = reader;
  const isMore = earlier !== null && earlier > 0;
  return (
    <span className="tj-quiet tj-log-result">
      <span role="status">{reader.isSearching ? trans.__('Searching…') : resultText(reader, isMore)}</span>
      {isMore && (
        <>
          {' · '}
          <button type="button" className="tj-link" onClick={reader.seekEarlier}>
            {trans._n('%2 in earlier lines (show)', '%2 in earlier lines (show)', earlier, count(earlier))}
          </button>
        </>
      )}
    </span>
  );
}

function resultText({ pattern, hits, current }: LogReader, isMore: boolean): string {
  if (pattern === null) {
    return trans.__('Not a regular expression');
  }
  const all = count(hits.length);
  const at = current === null ? 0 : hits.findIndex(line => line.number === current.number) + 1;
  if (at > 0) {
    return isMore
      ? trans.__('Match %1 of %2 in view', count(at), all)
      : trans.__('Match %1 of %2', count(at), all);
  }
  if (hits.length === 0) {
    return isMore ? trans.__('No matches in view') : trans.__('No matches');
  }
  return isMore
    ? trans._n('%2 match in view', '%2 matches in view', hits.length, all)
    : trans._n('%2 match', '%2 matches', hits.length, all);
}
