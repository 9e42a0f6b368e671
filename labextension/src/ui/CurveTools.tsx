/** How the curves are looked at: a line of tools that opens above them, and below it what is being chosen from. */
import { useState } from 'react';
import type { Dispatch, ReactElement, ReactNode, RefObject, SetStateAction } from 'react';

import { csv } from '../core/csv';
import { decode, decodeLine } from '../core/curves';
import { stateText } from '../core/describe';
import { ago, count } from '../core/format';
import type { Look, Pin } from '../core/layers';
import { STRONGEST, smoothWords } from '../core/smooth';
import type { Curve, Job, Source } from '../core/types';
import { trans } from '../core/words';
import type { Moves } from './Chart';
import { DASHES } from './paint';
import { picture, save } from './save';
import { useAnswer } from './useAnswer';

const MOST_PINS = 3;

export interface Tooling {
  source: Source;
  job: Job;
  curves: ReadonlyMap<string, Curve>;
  names: readonly string[];
  shown: readonly string[];
  choose: (names: readonly string[]) => void;
  look: Look;
  change: (part: Partial<Look>) => void;
  moves: Omit<Moves, 'step'>;
  ranks: string;
  setRanks: (ranks: string) => void;
  many: boolean;
  asTable: boolean;
  setAsTable: (asTable: boolean) => void;
  pins: readonly Pin[];
  setPins: Dispatch<SetStateAction<readonly Pin[]>>;
  grid: RefObject<HTMLDivElement>;
}

/** What is compared, and what has been saved, is said also while the tools are shut. */
export function CurveTools(props: Tooling & { id: string; shut: boolean }): ReactElement {
  const { source, job, curves, names, shown, choose, look, change, moves, asTable, setAsTable, pins, grid } =
    props;
  const [open, setOpen] = useState('');
  const [note, setNote] = useState('');
  const toggle = (what: string) => ({
    'aria-expanded': open === what,
    onClick: () => setOpen(open === what ? '' : what)
  });
  const saveCsv = async (): Promise<void> => {
    setNote(trans.__('Asking the kernel for every point …'));
    try {
      const { rows, complete, buffers } = await source.ask('csv', { names: null });
      const packed = new Blob(buffers as BlobPart[]).stream().pipeThrough(new DecompressionStream('gzip'));
      save(await new Response(packed, { headers: { 'Content-Type': 'text/csv' } }).blob(), `${job.name}.csv`);
      setNote(
        complete
          ? trans._n('Saved %2 row.', 'Saved %2 rows.', rows, count(rows))
          : trans._n(
              'Saved %2 row; the first line says which are left out.',
              'Saved %2 rows; the first line says which are left out.',
              rows,
              count(rows)
            )
      );
    } catch (error) {
      save(new Blob([csv(curves)], { type: 'text/csv' }), `${job.name}.csv`);
      setNote(trans.__('Saved the points that are drawn. %1', (error as Error).message));
    }
  };
  const savePng = async (): Promise<void> => {
    const file = grid.current && (await picture(grid.current, job.name));
    if (file) {
      save(file, `${job.name}.png`);
    }
  };
  const whole = look.zoom === null;
  const axis = look.time ? 'time' : look.logX ? 'log' : 'steps';
  return (
    <>
      <div id={props.id} hidden={props.shut}>
        <div className="tj-tools" role="group" aria-label={trans.__('Curves')}>
          {names.length > 1 && (
            <Tool {...toggle('metrics')}>
              {shown.length === names.length
                ? trans.__('Metrics')
                : trans.__('Metrics %1/%2', shown.length, names.length)}
            </Tool>
          )}
          <label className="tj-tool" title={smoothWords(look.smooth)}>
            {trans.__('Smooth')}
            <input
              type="range"
              min={0}
              max={STRONGEST}
              value={look.smooth}
              aria-valuetext={smoothWords(look.smooth)}
              onInput={event => change({ smooth: Number(event.currentTarget.value) })}
            />
          </label>
          {props.many && (
            <Choice
              label={trans.__('Ranks')}
              value={look.ranks}
              of={{
                band: trans.__('rank range'),
                all: trans.__('every rank'),
                some: trans.__('some ranks')
              }}
              onChange={ranks => change({ ranks: ranks as Look['ranks'] })}
            />
          )}
          {props.many && look.ranks === 'some' && (
            <input
              className="tj-field"
              aria-label={trans.__('Ranks, such as 0, 3, 5-7')}
              placeholder="0, 3, 5-7"
              value={props.ranks}
              onInput={event => props.setRanks(event.currentTarget.value)}
            />
          )}
          <Choice
            label={trans.__('Across')}
            value={axis}
            of={{ steps: trans.__('steps'), log: trans.__('log steps'), time: trans.__('time') }}
            onChange={to => change({ logX: to === 'log', time: to === 'time' })}
          />
          <Choice
            label={trans.__('Up')}
            value={look.logY ? 'log' : 'linear'}
            of={{ linear: trans.__('linear'), log: trans.__('log') }}
            onChange={to => change({ logY: to === 'log' })}
          />
          <Tool {...toggle('compare')}>{trans.__('Compare')}</Tool>
          <span className="tj-tools-end">
            <Tool label={trans.__('Zoom in')} onClick={() => moves.scale(0.5)}>
              +
            </Tool>
            <Tool label={trans.__('Zoom out')} disabled={whole} onClick={() => moves.scale(2)}>
              −
            </Tool>
            <Tool label={trans.__('Earlier steps')} disabled={whole} onClick={() => moves.pan(-0.25)}>
              ‹
            </Tool>
            <Tool label={trans.__('Later steps')} disabled={whole} onClick={() => moves.pan(0.25)}>
              ›
            </Tool>
            <Tool label={trans.__('Show all steps')} disabled={whole} onClick={moves.whole}>
              {trans.__('All')}
            </Tool>
            <Tool aria-pressed={asTable} onClick={() => setAsTable(!asTable)}>
              {trans.__('Table')}
            </Tool>
            <Tool onClick={() => void saveCsv()}>{trans.__('CSV')}</Tool>
            <Tool disabled={asTable} onClick={() => void savePng()}>
              {trans.__('PNG')}
            </Tool>
          </span>
        </div>
        {open === 'metrics' && (
          <Boxes
            label={trans.__('Metrics to show')}
            of={names.map(name => [name, name])}
            on={shown}
            set={(name, is) => choose(names.filter(each => (each === name ? is : shown.includes(each))))}
          />
        )}
        {open === 'compare' && <Earlier {...props} note={setNote} />}
      </div>
      {pins.length > 0 && (
        <p className="tj-pins">
          {pins.map(({ uid, letter, nth, name }) => (
            <span key={uid}>
              <svg width="28" height="8" aria-hidden="true">
                <line x2="28" y1="4" y2="4" style={{ strokeDasharray: DASHES[nth]?.join(' ') }} />
              </svg>{' '}
              <b>{letter}</b> {name}
            </span>
          ))}
        </p>
      )}
      {note !== '' && (
        <p className="tj-said" role="status">
          {note}
        </p>
      )}
    </>
  );
}

/** Earlier jobs, the most alike first. */
function Earlier({ source, pins, setPins, note }: Tooling & { note: (text: string) => void }): ReactElement {
  const answer = useAnswer('earlier', () => source.ask('earlier', {}));
  const jobs = answer?.got?.jobs;
  if (!jobs || jobs.length === 0) {
    return (
      <p className="tj-said">
        {answer === null
          ? trans.__('Looking for earlier jobs …')
          : answer.why || trans.__('No other job of this namespace has reported a metric.')}
      </p>
    );
  }
  const set = (uid: string, is: boolean): void => {
    if (!is) {
      setPins(before => before.filter(each => each.uid !== uid));
      return;
    }
    pin(source, uid).then(
      got =>
        setPins(before =>
          before.some(each => each.uid === uid) ? before : [...before, { ...got, ...place(before) }]
        ),
      (error: Error) => note(error.message)
    );
  };
  return (
    <Boxes
      label={trans.__('Earlier jobs to compare with')}
      of={jobs.map(each => [
        each.uid,
        `${each.name} · ${stateText(each.state)} · ${ago(Date.now() / 1000 - each.created)}`
      ])}
      on={pins.map(each => each.uid)}
      most={MOST_PINS}
      set={set}
    />
  );
}

/** The first letter and dashes that no other job has. */
function place(pins: readonly Pin[]): Pick<Pin, 'letter' | 'nth'> {
  const free = [0, 1, 2].find(nth => pins.every(each => each.nth !== nth + 1)) ?? 0;
  return { letter: 'ABC'[free] ?? '', nth: free + 1 };
}

interface BoxesProps {
  label: string;
  of: (readonly [key: string, text: string])[];
  on: readonly string[];
  most?: number;
  set: (key: string, is: boolean) => void;
}

function Boxes({ label, of, on, most = Infinity, set }: BoxesProps): ReactElement {
  return (
    <fieldset className="tj-boxes">
      <legend className="tj-unseen">{label}</legend>
      {of.map(([key, text]) => (
        <label key={key}>
          <input
            type="checkbox"
            checked={on.includes(key)}
            disabled={!on.includes(key) && on.length >= most}
            onChange={event => set(key, event.currentTarget.checked)}
          />{' '}
          {text}
        </label>
      ))}
    </fieldset>
  );
}

interface ToolProps {
  children: ReactNode;
  onClick: () => void;
  label?: string;
  disabled?: boolean;
  'aria-expanded'?: boolean;
  'aria-pressed'?: boolean;
}

function Tool({ label, children, ...rest }: ToolProps): ReactElement {
  return (
    <button type="button" className="tj-tool" aria-label={label} title={label} {...rest}>
      {children}
    </button>
  );
}

interface ChoiceProps {
  label: string;
  value: string;
  of: Record<string, string>;
  onChange: (value: string) => void;
}

function Choice({ label, value, of, onChange }: ChoiceProps): ReactElement {
  return (
    <select
      className="tj-tool"
      aria-label={label}
      title={label}
      value={value}
      onChange={event => onChange(event.currentTarget.value)}
    >
      {Object.entries(of).map(([key, text]) => (
        <option key={key} value={key}>
          {text}
        </option>
      ))}
    </select>
  );
}

/** Asks for an earlier job's curves. */
async function pin(source: Source, uid: string): Promise<Omit<Pin, 'letter' | 'nth'>> {
  const { name, curves, clock, buffers } = await source.ask('pin', { uid });
  const read = new Map<string, Curve>();
  curves.forEach((head, i) => {
    const buffer = buffers[i];
    if (buffer) {
      read.set(head.name, decode(buffer, head.points, head.ranks));
    }
  });
  const last = buffers[curves.length];
  return {
    uid,
    name,
    curves: read,
    clock: last && clock > 1 ? decodeLine(last, clock) : null
  };
}
