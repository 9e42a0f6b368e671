/**
 * What travels on the widget's comm. One comm carries any number of jobs: each message names its job by uid.
 *
 * `jupyter_trainjob/widget/channel.py` is the other end. Small things that are always whole go by the traits `state` (the
 * first job's head) and `kind`; everything that grows goes by these messages.
 */
import type { Job, JobRow, Node } from './types';

/** A binary part of a message. */
export type Bytes = ArrayBufferView | ArrayBuffer;

/**
 * One line as it travels: its number in the order of arrival, unix time, node, text; for one that the program overwrites also
 * the name of its row, whose earlier line it replaces, or takes away where the text is empty.
 */
export type WireLine = [number: number, time: number, node: number, text: string, row?: number];

/** A curve of `points` points; its columns are in the buffer of the same place. */
export interface CurveHead {
  name: string;
  ranks: number;
  points: number;
}

/** `seq` counts a job's messages: a gap means that something was lost. `reset` replaces what is there. */
interface Numbered {
  job: string;
  seq: number;
  reset: boolean;
}

export type FromKernel =
  | { kind: 'head'; job: string; head: Job }
  | (Numbered & { kind: 'curves'; curves: CurveHead[] })
  | (Numbered & { kind: 'nodes'; nodes: Node[] })
  | (Numbered & { kind: 'log'; skipped: number; before: string | null; lines: WireLine[] })
  | { kind: 'jobs'; reset: boolean; jobs: JobRow[]; gone: string[] }
  /** Why the list is not up to date; empty: it is again. */
  | { kind: 'trouble'; why: string }
  | { kind: 'answer'; id: string; ok: true }
  | { kind: 'answer'; id: string; ok: false; error: string };

/** A heading with rows of words, all of one length; the first of a row names it. */
export interface Section {
  title: string;
  rows: string[][];
}

type Nothing = Record<never, never>;

/** Every request: what goes with it, and what comes back. Binary parts of the answer come as `buffers`. */
export interface Asks {
  stop: [args: Nothing, answer: Nothing];
  resume: [args: Nothing, answer: Nothing];
  delete: [args: Nothing, answer: Nothing];
  /** The new job, to be opened, and what is different with it, in sentences. */
  rerun: [args: Nothing, answer: { uid: string; name: string; differences: string[] }];
  text: [args: { form: 'magic' | 'yaml' | 'sdk' }, answer: { text: string }];
  /** What the job was sent with; `none` says why there is nothing. */
  details: [args: Nothing, answer: { sections: Section[]; none: string }];
  /** A stretch of steps at full resolution: the band over ranks (null), single ranks, or all of them. */
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
  /** Kept lines, the newest before a place; with `limit` 0, how many there are. */
  page: [
    args: {
      before: string | null;
      nodes: readonly number[] | null;
      pattern: string | null;
      regex: boolean;
      errors: boolean;
      limit: number;
    },
    answer: { lines: WireLine[]; before: string | null; more: boolean; found?: number }
  ];
  earlier: [
    args: Nothing,
    answer: { jobs: Pick<JobRow, 'uid' | 'name' | 'state' | 'created' | 'finished'>[] }
  ];
  /** Its last buffer is its clock. */
  pin: [args: { uid: string }, answer: { name: string; curves: CurveHead[]; clock: number }];
  /** Seconds since the first report, by step: two columns. `restarts` are steps where an attempt began anew. */
  clock: [args: Nothing, answer: { points: number; restarts: readonly number[] }];
  csv: [args: { names: readonly string[] | null }, answer: { rows: number; complete: boolean }];
}

export type What = keyof Asks;
export type Answer<W extends What> = Asks[W][1] & { buffers: readonly Bytes[] };

export type ToKernel =
  | { kind: 'ready'; job?: string }
  | { kind: 'open' | 'close'; job: string }
  | ({ kind: 'ask'; id: string; job: string; what: What } & Record<string, unknown>);
