import { useEffect, useRef, useState } from 'react';
import type { ReactElement } from 'react';

import { Announcer } from '../../core/jobs/announcements';
import type { Job } from '../../core/jobTypes';

/** The card's polite live region. */
export function Announcement({ job }: { job: Job }): ReactElement {
  const announcer = useRef<Announcer | null>(null);
  const [message, say] = useState('');
  const [round, again] = useState(0);

  useEffect(() => {
    announcer.current ??= new Announcer();
    const next = announcer.current.next(job, Date.now() / 1000);
    if (next.message !== null) {
      say(next.message);
    }
    if (next.wait === null) {
      return;
    }
    const timer = setTimeout(() => again(n => n + 1), next.wait * 1000);
    return () => clearTimeout(timer);
  }, [job, round]);

  return (
    <div className="tj-unseen" role="status" aria-live="polite">
      {message}
    </div>
  );
}
