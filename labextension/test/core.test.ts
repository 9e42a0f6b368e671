import { describe, expect, test } from 'vitest';

import { Announcer, QUIET_SECONDS } from '../src/core/announce';
import { blamed, facts, howFar, progressText, reason, timeline } from '../src/core/describe';
import { failure, job } from './jobs';

describe('what is said about a job', () => {
  test.each([
    ['a running one: percent and time left', job(), ['72 %', '0:41 left']],
    ['one without an estimate: percent', job({ eta: null }), ['72 %']],
    ['one without a total: the step', job({ progress: null, total: null }), ['step 2,592']],
    ['one that reported nothing: nothing', job({ progress: null, step: null }), []],
    [
      'a complete one: how long it took',
      job({ state: 'Complete', progress: 1, finished: 251 }),
      ['took 2:31']
    ],
    ['a failed one: how far it came', job({ state: 'Failed', finished: 109 }), ['72 %', 'after 9.0 s']]
  ])('how far is %s', (_, given, words) => {
    expect(howFar(given)).toEqual(words);
  });

  test.each([
    ['its size', job({ procs_per_node: 4 }), '8 nodes × 4'],
    [
      'while it starts, how many nodes run',
      job({ state: 'Starting', ranks_running: 3 }),
      '3 of 8 nodes running'
    ],
    ['which rank failed first', job({ state: 'Failed', failure: failure() }), 'rank 3 of 8 failed first'],
    [
      'its size where there is one rank to fail',
      job({ nodes: 1, failure: failure({ rank: 0 }) }),
      '1 node × 1'
    ]
  ])('it says %s', (_, given, words) => {
    expect(facts(given)[0]).toBe(words);
  });

  test('a progress bar says state, share, time and steps', () => {
    expect(progressText(job())).toBe('Running, 72 %, 0:41 left, step 2,592 of 3,600');
  });

  test('the reason yields to the failure', () => {
    expect(reason(job({ reason: 'jobset failed', failure: failure() }))).toBe('');
    expect(reason(job({ reason: 'no room' }))).toBe('no room');
  });

  test('a rank is blamed unless the headline names it', () => {
    expect(blamed(failure())).toBe('rank 3');
    expect(blamed(failure({ headline: 'rank 3 was killed' }))).toBe('');
    expect(blamed(failure({ rank: null }))).toBe('');
  });
});

describe('the timeline', () => {
  test('an open phase lasts until now while the job lives', () => {
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
  test('hears at most one message in ten seconds, and the newest', () => {
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

  test('is not told each percent', () => {
    const announcer = new Announcer();
    announcer.next(job(), 0);
    expect(announcer.next(job({ progress: 0.74 }), 60)).toEqual({ message: null, wait: null });
    expect(announcer.next(job({ progress: 0.76 }), 60).message).not.toBeNull();
  });
});
