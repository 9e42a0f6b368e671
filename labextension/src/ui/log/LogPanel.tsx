/** The log of all nodes: follows new lines until the user scrolls up; search and filters cover all stored lines. */
import { useState } from 'react';
import type { ReactElement } from 'react';

import { count } from '../../core/format';
import { NO_QUERY } from '../../core/log/logLines';
import type { JobSource } from '../../core/jobs/views';
import { trans } from '../../core/i18n';
import { LogLines } from './LogLines';
import { LogTools } from './LogTools';
import { useLogReader } from './useLogReader';
import { useView } from '../controls/useView';

/** With `tail`, the last few lines below the other panels; otherwise the whole panel. */
export function LogPanel({ source, tail }: { source: JobSource; tail: boolean }): ReactElement | null {
  const { log, job } = useView(source);
  const [query, setQuery] = useState(NO_QUERY);
  const [wrap, setWrap] = useState(true);
  const reader = useLogReader(source, log, tail ? NO_QUERY : query);
  const isEmpty = log.length === 0;
  if (job === null || (tail && isEmpty)) {
    return null;
  }
  const { isFollowing, missed, problem } = reader;
  return (
    <div className="tj-log">
      {!tail && (
        <LogTools
          reader={reader}
          query={query}
          onChange={part => setQuery({ ...query, ...part })}
          wrap={wrap}
          onWrap={setWrap}
          nodes={job.nodes}
        />
      )}
      {problem !== '' && <p className="tj-reason">{problem}</p>}
      <LogLines
        reader={reader}
        tail={tail}
        wrap={wrap}
        nodes={job.nodes}
        empty={isEmpty ? trans.__('Nothing has been printed yet.') : trans.__('No line in view matches.')}
      />
      {!isFollowing && (
        <button type="button" className="tj-button tj-log-follow" onClick={reader.follow}>
          {missed > 0 ? trans.__('Follow: %1 new', count(missed)) : trans.__('Follow')}
        </button>
      )}
    </div>
  );
}
