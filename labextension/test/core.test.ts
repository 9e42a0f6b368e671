import { describe, expect, test } from 'vitest';

import { Announcer, QUIET_SECONDS } from '../src/core/jobs/announcements';
import {
  failedRankText,
  jobFacts,
  progressFacts,
  progressText,
  reason,
  timeline
} from '../src/core/jobs/jobText';
import { failure, job } from './jobs';

describe('text about a job', () => {
  test.each([
    ['a running job: percent and remaining time', job(), ['72 %', '0:41 left']],
    ['a job without an estimate: percent', job({ eta: null }), ['72 %']],
    ['a job without a total: the step', job({ progress: null, total: null }), ['step 2,592']],
    ['a job without reports: nothing', job({ progress: null, step: null }), []],
    ['a complete job: its duration', job({ state: 'Complete', progress: 1, finished: 251 }), ['took 2:31']],
    ['a failed job: percent and duration', job({ state: 'Failed', finished: 109 }), ['72 %', 'after 9.0 s']]
  ])('progress of %s', (_, state, expected) => {
    expect(progressFacts(state)).toEqual(expected);
  });

  test.each([
    ['its size', job({ procs_per_node: 4 }), '8 nodes, 4 processes each'],
    [
      'the number of running nodes while it starts',
      job({ state: 'Starting', ranks_running: 3 }),
      '3 of 8 nodes running'
    ],
    [
      'the number of finished nodes if not all fit at once',
      job({ nodes: 64, nodes_done: 34, ranks_running: 2 }),
      '34 of 64 nodes done, 2 running'
    ],
    ['the rank that failed first', job({ state: 'Failed', failure: failure() }), 'rank 3 of 8 failed first'],
    [
      'its size if it has a single rank',
      job({ nodes: 1, failure: failure({ rank: 0 }) }),
      '1 node, 1 process each'
    ]
  ])('the facts begin with %s', (_, state, expected) => {
    expect(jobFacts(state)[0]).toBe(expected);
  });

  test('the text shows the attempt', () => {
    expect(jobFacts(job({ restarts: 1 }))[1]).toBe('attempt 2');
    expect(jobFacts(job({ restarts: 1, state: 'Complete' }))[1]).toBe('attempt 2');
  });

  test('a progress bar shows state, share, time and steps', () => {
    expect(progressText(job())).toBe('Running, 72 %, 0:41 left, step 2,592 of 3,600');
  });

  test('a failure replaces the reason', () => {
    expect(reason(job({ reason: 'jobset failed', failure: failure() }))).toBe('');
    expect(reason(job({ reason: 'no room' }))).toBe('no room');
  });

  test('the failed rank is named unless the headline contains it', () => {
    expect(failedRankText(failure())).toBe('rank 3');
    expect(failedRankText(failure({ headline: 'rank 3 was killed' }))).toBe('');
    expect(failedRankText(failure({ rank: null }))).toBe('');
  });
});

describe('the timeline', () => {
  test('an open phase lasts until now while the job runs', () => {
    expect(timeline(job(), 206.5)).toEqual([
      { name: 'queued', mark: 'done', seconds: 0.5 },
      { name: 'training', mark: 'now', seconds: 106 }
    ]);
  });

  test.each([
    ['Failed' as const, 'failed'],
    ['Stopped' as const, 'halted'],
    ['Complete' as const, 'done']
  ])('the last phase of a job that is %s is marked %s', (state, mark) => {
    expect(timeline(job({ state }), 300).at(-1)).toMatchObject({ mark, seconds: null });
  });
});

describe('a screen reader', () => {
  test('gets at most one announcement in ten seconds, the newest', () => {
    const announcer = new Announcer();
    const said = (state: Parameters<typeof job>[0], now: number): string | null =>
      announcer.next(job(state), now).message;
    expect(said({ state: 'Queued', reason: 'no room', progress: null, step: null, total: null }, 0)).toBe(
      'digits-x7k2p: Queued. no room'
    );
    expect(said({ state: 'Starting' }, 1)).toBeNull();
    expect(announcer.next(job({ state: 'Running' }), 2).wait).toBe(QUIET_SECONDS - 2);
    expect(said({ state: 'Running' }, 10)).toMatch(/^digits-x7k2p: Running, 72 %/);
  });

  test('does not get an announcement for each percent', () => {
    const announcer = new Announcer();
    announcer.next(job(), 0);
    expect(announcer.next(job({ progress: 0.74 }), 60)).toEqual({ message: null, wait: null });
    expect(announcer.next(job({ progress: 0.76 }), 60).message).not.toBeNull();
  });
});
