/** The toolbar of the charts, and below it the options of the open tool. */
import { useState } from 'react';
import type { Dispatch, ReactElement, ReactNode, RefObject, SetStateAction } from 'react';

import { curvesCsv } from '../../core/curves/curveCsv';
import { decodeCurve, decodeLine } from '../../core/curves/curveData';
import { stateText } from '../../core/jobs/jobText';
import { ago, count } from '../../core/format';
import type { ChartSettings, Pin } from '../../core/curves/curveLayers';
import { MAX_SMOOTHING, smoothingText } from '../../core/curves/smoothing';
import type { Curve, Job } from '../../core/jobTypes';
import type { JobSource } from '../../core/jobs/views';
import { trans } from '../../core/i18n';
import type { ChartActions } from './Chart';
import { DASHES } from './paintLayers';
import { picture, save } from './saveFile';
import { useRequest } from '../controls/useRequest';

const MAX_PINS = 3;
/** Lists of at least this length have a filter. */
const FILTER_FROM = 8;

export interface CurveToolsProps {
  source: JobSource;
  job: Job;
  curves: ReadonlyMap<string, Curve>;
  names: readonly string[];
  shown: readonly string[];
  choose: (names: readonly string[]) => void;
  settings: ChartSettings;
  change: (part: Partial<ChartSettings>) => void;
  moves: Omit<ChartActions, 'step'>;
  ranks: string;
  setRanks: (ranks: string) => void;
  many: boolean;
  asTable: boolean;
  setAsTable: (asTable: boolean) => void;
  pins: readonly Pin[];
  setPins: Dispatch<SetStateAction<readonly Pin[]>>;
  grid: RefObject<HTMLDivElement>;
}

/** The legend of compared jobs and the status message are shown also while the tools are closed. */
export function CurveTools(props: CurveToolsProps & { id: string; isClosed: boolean }): ReactElement {
  const {
    source,
    job,
    curves,
    names,
    shown,
    choose,
    settings,
    change,
    moves,
    asTable,
    setAsTable,
    pins,
    grid
  } = props;
  const [open, setOpen] = useState('');
  const [note, setNote] = useState('');
  const toggle = (tool: string) => ({
    'aria-expanded': open === tool,
    onClick: () => setOpen(open === tool ? '' : tool)
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
              'Saved %2 row; the first line lists the omitted metrics.',
              'Saved %2 rows; the first line lists the omitted metrics.',
              rows,
              count(rows)
            )
      );
    } catch (error) {
      save(new Blob([curvesCsv(curves)], { type: 'text/csv' }), `${job.name}.csv`);
      setNote(trans.__('Saved the points that are drawn. %1', (error as Error).message));
    }
  };
  const savePng = async (): Promise<void> => {
    const file = grid.current && (await picture(grid.current, job.name));
    if (file) {
      save(file, `${job.name}.png`);
    }
  };
  const whole = settings.zoom === null;
  const axis = settings.time ? 'time' : settings.logX ? 'log' : 'steps';
  return (
    <>
      <div id={props.id} hidden={props.isClosed}>
        <div className="tj-tools" role="group" aria-label={trans.__('Curves')}>
          {names.length > 1 && (
            <Tool {...toggle('metrics')}>
              {shown.length === names.length
                ? trans.__('Metrics')
                : trans.__('Metrics %1/%2', shown.length, names.length)}
            </Tool>
          )}
          <label className="tj-tool" title={smoothingText(settings.smooth)}>
            {trans.__('Smooth')}
            <input
              type="range"
              min={0}
              max={MAX_SMOOTHING}
              value={settings.smooth}
              aria-valuetext={smoothingText(settings.smooth)}
              onInput={event => change({ smooth: Number(event.currentTarget.value) })}
            />
          </label>
          {props.many && (
            <Choice
              label={trans.__('Ranks')}
              value={settings.ranks}
              of={{
                band: trans.__('rank range'),
                all: trans.__('every rank'),
                some: trans.__('some ranks')
              }}
              onChange={ranks => change({ ranks: ranks as ChartSettings['ranks'] })}
            />
          )}
          {props.many && settings.ranks === 'some' && (
            <input
              className="tj-field"
              aria-label={trans.__('Ranks, such as 0, 3, 5-7')}
              placeholder="0, 3, 5-7"
              value={props.ranks}
              onInput={event => props.setRanks(event.currentTarget.value)}
            />
          )}
          <Choice
            label={trans.__('X axis')}
            value={axis}
            of={{ steps: trans.__('steps'), log: trans.__('log steps'), time: trans.__('time') }}
            onChange={to => change({ logX: to === 'log', time: to === 'time' })}
          />
          <Choice
            label={trans.__('Y axis')}
            value={settings.logY ? 'log' : 'linear'}
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
          <CheckBoxes
            label={trans.__('Metrics to show')}
            of={names.map(name => [name, name])}
            on={shown}
            set={(name, is) => choose(names.filter(item => (item === name ? is : shown.includes(item))))}
          />
        )}
        {open === 'compare' && <EarlierJobs {...props} note={setNote} />}
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
        <p className="tj-status" role="status">
          {note}
        </p>
      )}
    </>
  );
}

/** Earlier jobs, the most similar first. */
function EarlierJobs({
  source,
  pins,
  setPins,
  note
}: CurveToolsProps & { note: (text: string) => void }): ReactElement {
  const answer = useRequest('earlier', () => source.ask('earlier', {}));
  const jobs = answer?.answer?.jobs;
  if (!jobs || jobs.length === 0) {
    return (
      <p className="tj-status">
        {answer === null
          ? trans.__('Looking for earlier jobs …')
          : answer.error || trans.__('No other job of this namespace has reported a metric.')}
      </p>
    );
  }
  const set = (uid: string, is: boolean): void => {
    if (!is) {
      setPins(before => before.filter(pin => pin.uid !== uid));
      return;
    }
    loadPin(source, uid).then(
      loaded =>
        setPins(before =>
          before.some(pin => pin.uid === uid) ? before : [...before, { ...loaded, ...nextFreeMark(before) }]
        ),
      (error: Error) => note(error.message)
    );
  };
  return (
    <CheckBoxes
      label={trans.__('Earlier jobs to compare with')}
      of={jobs.map(job => [
        job.uid,
        `${job.name} · ${stateText(job.state)} · ${ago(Date.now() / 1000 - job.created)}`
      ])}
      on={pins.map(pin => pin.uid)}
      most={MAX_PINS}
      set={set}
    />
  );
}

/** The first letter and dash pattern that no other pinned job has. */
function nextFreeMark(pins: readonly Pin[]): Pick<Pin, 'letter' | 'nth'> {
  const free = [0, 1, 2].find(nth => pins.every(pin => pin.nth !== nth + 1)) ?? 0;
  return { letter: 'ABC'[free] ?? '', nth: free + 1 };
}

interface BoxesProps {
  label: string;
  of: (readonly [key: string, text: string])[];
  on: readonly string[];
  most?: number;
  set: (key: string, is: boolean) => void;
}

/** Check boxes with a filter, which always shows checked ones. */
function CheckBoxes({ label, of, on, most = Infinity, set }: BoxesProps): ReactElement {
  const [text, filter] = useState('');
  const words = text.toLowerCase().split(/\s+/);
  const shown = of.filter(
    ([key, name]) => on.includes(key) || words.every(word => name.toLowerCase().includes(word))
  );
  return (
    <fieldset className="tj-boxes">
      <legend className="tj-unseen">{label}</legend>
      {of.length >= FILTER_FROM && (
        <input
          type="search"
          className="tj-field tj-boxes-filter"
          aria-label={trans.__('Filter: %1', label)}
          placeholder={trans.__('Filter %1', count(of.length))}
          value={text}
          onInput={event => filter(event.currentTarget.value)}
        />
      )}
      {shown.length === 0 && <span className="tj-quiet">{trans.__('No matches.')}</span>}
      {shown.map(([key, text]) => (
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

/** Requests an earlier job's curves. */
async function loadPin(source: JobSource, uid: string): Promise<Omit<Pin, 'letter' | 'nth'>> {
  const { name, curves, clock, buffers } = await source.ask('pin', { uid });
  const decoded = new Map<string, Curve>();
  curves.forEach((head, i) => {
    const buffer = buffers[i];
    if (buffer) {
      decoded.set(head.name, decodeCurve(buffer, head.points, head.ranks));
    }
  });
  const last = buffers[curves.length];
  return {
    uid,
    name,
    curves: decoded,
    clock: last && clock > 1 ? decodeLine(last, clock) : null
  };
}
