import type { CellModel } from '@jupyterlab/notebook';
import { expect, test, vi } from 'vitest';

import { Place, Stream, type Socket } from '../src/core/stream';
import { JOB } from '../src/lab/bundle';
import { Chosen } from '../src/lab/chosen';
import { cellOf, jobsOf } from '../src/lab/jump';
import { Known } from '../src/lab/known';

const cell = (text: string, uids: string[] = [], type = 'code'): CellModel => ({
  type,
  outputs: {
    length: uids.length,
    get: index => ({ data: { [JOB]: { uid: uids[index], name: 'a' } }, toJSON: () => ({}) }),
    set: () => undefined
  },
  sharedModel: { getSource: () => text, setSource: () => undefined }
});

test.each([
  ['by its output', [cell('train()'), cell('x', ['other', 'u1'])], 'train()', 1],
  ['by its text where no output shows it', [cell('x'), cell('%%trainjob a\ntrain()\n')], '\ntrain()', 1],
  ['not by a text that is empty', [cell('x')], ' \n', -1],
  ['not in prose', [cell('train()', [], 'markdown')], 'train()', -1],
  ['not where it was changed', [cell('train(2)')], 'train()', -1]
])('the cell of a job is found %s', (_, cells, source, index) => {
  expect(cellOf(cells, { uid: 'u1' }, source)).toBe(index);
});

test('a panel of all jobs is no job of its cell', () => {
  expect(jobsOf(cell('panel()', ['', 'u1'])).map(({ uid }) => uid)).toEqual(['u1']);
});

function stream(): { stream: Stream; opened: Place[]; closed: () => number } {
  const made = new Stream(
    () => ({ addEventListener: () => undefined, close: () => undefined }) as never as Socket
  );
  const opened: Place[] = [];
  let closed = 0;
  const open = made.open.bind(made);
  vi.spyOn(made, 'open').mockImplementation(where => {
    const found = open(where);
    opened.push(found.place);
    return {
      ...found,
      close: () => {
        closed++;
        found.close();
      }
    };
  });
  return { stream: made, opened, closed: () => closed };
}

const storage = { getItem: () => null, setItem: () => undefined };
const row = { uid: 'u1', name: 'a-1', namespace: 'default', state: 'Running' };

test('jobs are asked for when somebody wants to know them, and known when they are told', async () => {
  const { stream: page, opened } = stream();
  const known = new Known(page, new Chosen(storage));
  expect(opened).toHaveLength(0);
  const ready = known.ready();
  opened[0]?.receive({ kind: 'jobs', reset: true, jobs: [row as never], gone: [] }, []);
  await ready;
  expect(known.find('u1')?.name).toBe('a-1');
  page.close();
});

test('why they are not known is an error in words', async () => {
  const { stream: page, opened } = stream();
  const ready = new Known(page, new Chosen(storage)).ready();
  opened[0]?.receive({ kind: 'refused', why: 'There is no such context.' }, []);
  await expect(ready).rejects.toThrow('no such context');
  opened[0]?.end();
  page.close();
});

test('another place has other jobs', async () => {
  const { stream: page, opened, closed } = stream();
  const where = new Chosen(storage);
  const known = new Known(page, where);
  known.begin();
  opened[0]?.receive({ kind: 'jobs', reset: true, jobs: [row as never], gone: [] }, []);
  where.choose({ context: 'gpu', namespace: 'team' });
  expect([opened.length, closed()]).toEqual([2, 1]);
  opened[1]?.receive({ kind: 'jobs', reset: true, jobs: [], gone: [] }, []);
  expect(known.find('u1')).toBeUndefined();
  page.close();
});
