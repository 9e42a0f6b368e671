import type { ICellModel } from '@jupyterlab/cells';
import { expect, test, vi } from 'vitest';

import { Channel, Stream, type Socket } from '../src/core/jobs/jobStream';
import { JOB_MIME } from '../src/lab/outputs/outputMime';
import { ChosenNamespace } from '../src/lab/service/chosenNamespace';
import { findCell, jobsOf } from '../src/lab/jobs/cellOfJob';
import { JobListStore } from '../src/lab/service/jobListStore';

const cell = (text: string, uids: string[] = [], type = 'code'): ICellModel =>
  ({
    type,
    outputs: {
      length: uids.length,
      get: (index: number) => ({ data: { [JOB_MIME]: { uid: uids[index], name: 'a' } } })
    },
    sharedModel: { getSource: () => text }
  }) as unknown as ICellModel;

test.each([
  ['by its output', [cell('train()'), cell('x', ['other', 'u1'])], 'train()', 1],
  ['by its text if no output shows it', [cell('x'), cell('%%trainjob a\ntrain()\n')], '\ntrain()', 1],
  ['not by an empty text', [cell('x')], ' \n', -1],
  ['not in a Markdown cell', [cell('train()', [], 'markdown')], 'train()', -1],
  ['not if it was changed', [cell('train(2)')], 'train()', -1]
])('the cell of a job is found %s', (_, cells, source, index) => {
  expect(findCell(cells, { uid: 'u1' }, source)).toBe(index);
});

test('a panel of all jobs does not count as a job of its cell', () => {
  expect(jobsOf(cell('panel()', ['', 'u1'])).map(({ uid }) => uid)).toEqual(['u1']);
});

function stream(): { stream: Stream; opened: Channel[]; closed: () => number } {
  const created = new Stream(
    () => ({ addEventListener: () => undefined, close: () => undefined }) as never as Socket
  );
  const opened: Channel[] = [];
  let closed = 0;
  const open = created.open.bind(created);
  vi.spyOn(created, 'open').mockImplementation(where => {
    const channel = open(where);
    opened.push(channel.channel);
    return {
      ...channel,
      close: () => {
        closed++;
        channel.close();
      }
    };
  });
  return { stream: created, opened, closed: () => closed };
}

const storage = { getItem: () => null, setItem: () => undefined };
const row = { uid: 'u1', name: 'a-1', namespace: 'default', state: 'Running' };

test('jobs are requested when needed, and listed after the answer', async () => {
  const { stream: page, opened } = stream();
  const jobList = new JobListStore(page, new ChosenNamespace(storage, storage));
  expect(opened).toHaveLength(0);
  const ready = jobList.ready();
  opened[0]?.receive({ kind: 'jobs', reset: true, jobs: [row as never], gone: [] }, []);
  await ready;
  expect(jobList.find('u1')?.name).toBe('a-1');
  page.close();
});

test('a failed request for jobs is an error with a message', async () => {
  const { stream: page, opened } = stream();
  const ready = new JobListStore(page, new ChosenNamespace(storage, storage)).ready();
  opened[0]?.receive({ kind: 'refused', why: 'There is no such context.' }, []);
  await expect(ready).rejects.toThrow('no such context');
  opened[0]?.end();
  page.close();
});

test('another channel has other jobs', async () => {
  const { stream: page, opened, closed } = stream();
  const where = new ChosenNamespace(storage, storage);
  const jobList = new JobListStore(page, where);
  jobList.restart();
  opened[0]?.receive({ kind: 'jobs', reset: true, jobs: [row as never], gone: [] }, []);
  where.choose({ context: 'gpu', namespace: 'team' });
  expect([opened.length, closed()]).toEqual([2, 1]);
  opened[1]?.receive({ kind: 'jobs', reset: true, jobs: [], gone: [] }, []);
  expect(jobList.find('u1')).toBeUndefined();
  page.close();
});

test('a reloaded window keeps its cluster, regardless of other windows', () => {
  const storageOf = (): Pick<Storage, 'getItem' | 'setItem'> => {
    const values = new Map<string, string>();
    return { getItem: key => values.get(key) ?? null, setItem: (key, value) => void values.set(key, value) };
  };
  const [shared, one, other] = [storageOf(), storageOf(), storageOf()];
  new ChosenNamespace(one, shared).choose({ context: 'gpu', namespace: null });
  new ChosenNamespace(other, shared).choose({ context: 'prod', namespace: 'ml' });
  expect(new ChosenNamespace(one, shared).view()).toEqual({ context: 'gpu', namespace: null });
  expect(new ChosenNamespace(storageOf(), shared).view()).toEqual({ context: 'prod', namespace: 'ml' });
});
