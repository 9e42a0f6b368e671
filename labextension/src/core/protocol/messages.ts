/**
 * Messages of the widget's comm. One comm carries any number of jobs: each message names its job by uid.
 *
 * `jupyter_trainjob/feed/channel.py` is the other end. Small values that are always sent as a whole are the traits `state`
 * (the first job's head) and `kind`; all data that grows is sent in these messages.
 */
import type { Job, JobRow, Node } from '../jobTypes';

/** A binary part of a message. */
export type Bytes = ArrayBufferView | ArrayBuffer;

/**
 * One line as it is sent: its number in the order of arrival, unix time, node, text; for one that the program overwrites also
 * the id of its row, whose earlier line it replaces, or removes if the text is empty.
 */
export type WireLine = [number: number, time: number, node: number, text: string, row?: number];

/** A curve of `points` points; its columns are in the buffer of the same place. */
export interface CurveHead {
  name: string;
  ranks: number;
  points: number;
}

/** `seq` counts a job's messages: a gap means that a message was lost. `reset` replaces the data sent before. */
interface Sequenced {
  job: string;
  seq: number;
  reset: boolean;
}

export type FromKernel =
  | { kind: 'head'; job: string; head: Job }
  | (Sequenced & { kind: 'curves'; curves: CurveHead[] })
  | (Sequenced & { kind: 'nodes'; nodes: Node[] })
  | (Sequenced & { kind: 'log'; skipped: number; before: string | null; lines: WireLine[] })
  | { kind: 'jobs'; reset: boolean; jobs: JobRow[]; gone: string[] }
  /** Why the list is out of date; empty when it is up to date again. */
  | { kind: 'trouble'; why: string }
  | { kind: 'answer'; id: string; ok: true }
  | { kind: 'answer'; id: string; ok: false; error: string };

/** A heading with rows of texts, all of one length; the first text of a row names it. */
export interface Section {
  title: string;
  rows: string[][];
}

type NoFields = Record<never, never>;

/** Selects stored log lines: before a position, of given nodes, matching a pattern, containing errors. */
export interface LineFilter {
  before: string | null;
  nodes: readonly number[] | null;
  pattern: string | null;
  regex: boolean;
  errors: boolean;
}

/** Every request: its arguments, and its answer. Binary parts of the answer come as `buffers`. */
export interface RequestTypes {
  stop: [args: NoFields, answer: NoFields];
  resume: [args: NoFields, answer: NoFields];
  delete: [args: NoFields, answer: NoFields];
  /** The new job, to be opened, and its differences from the original, in sentences. */
  rerun: [args: NoFields, answer: { uid: string; name: string; differences: string[] }];
  text: [args: { form: 'magic' | 'yaml' | 'sdk' }, answer: { text: string }];
  /** The code and options of the job; `none` is the reason if there are none. */
  details: [args: NoFields, answer: { sections: Section[]; none: string }];
  /** A range of steps at full resolution: the band over ranks (null), single ranks, or all of them. */
  window: [
    args: {
      name: string;
      ranks: null | 'all' | readonly number[];
      start: number | null;
      end: number | null;
      points: number;
    },
    answer: { curves: (CurveHead & { rank: number | null })[] }
  ];
  /** Stored lines, the newest before a position; with `limit` 0, only their count as `found`. */
  page: [
    args: LineFilter & { limit: number },
    answer: { lines: WireLine[]; before: string | null; more: boolean; found?: number }
  ];
  /**
   * The newest (or `oldest`) stored line that matches, is before a position and was printed later than `since`, with the
   * lines around it: `lines[index]`; null without a match. `skipped` lines are between these and `before`.
   */
  find: [
    args: LineFilter & { since: number | null; oldest: boolean },
    answer: { lines: WireLine[]; index: number | null; before: string | null; more: boolean; skipped: number }
  ];
  earlier: [
    args: NoFields,
    answer: { jobs: Pick<JobRow, 'uid' | 'name' | 'state' | 'created' | 'finished'>[] }
  ];
  /** The curves of an earlier job; its last buffer is its clock. */
  pin: [args: { uid: string }, answer: { name: string; curves: CurveHead[]; clock: number }];
  /** Seconds since the first report, by step: two columns. `restarts` are the steps at which the job was restarted. */
  clock: [args: NoFields, answer: { points: number; restarts: readonly number[] }];
  csv: [args: { names: readonly string[] | null }, answer: { rows: number; complete: boolean }];
}

export type RequestName = keyof RequestTypes;
export type Answer<W extends RequestName> = RequestTypes[W][1] & { buffers: readonly Bytes[] };

export type ToKernel =
  | { kind: 'ready'; job?: string }
  | { kind: 'open' | 'close'; job: string }
  | ({ kind: 'ask'; id: string; job: string; what: RequestName } & Record<string, unknown>);
