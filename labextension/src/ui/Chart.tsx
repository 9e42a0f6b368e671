/**
 * One metric on a canvas. uPlot makes scales, axes and crosshair, coloured by the card's own variables; the layers are
 * stroked here, since each has steps of its own. Moves of pointer, wheel and keys leave as intentions: what is looked
 * at is decided above, for all charts alike.
 */
import { useEffect, useRef } from 'react';
import type { KeyboardEvent, ReactElement } from 'react';
import uPlot from 'uplot';

import { clock, count } from '../core/format';
import { type Layer, logTicks, tickText } from '../core/layers';
import type { Range } from '../core/zoom';
import { type Colours, coloursOf, onThemeChange } from './colours';
import { paint } from './paint';

const HEIGHT = 132;
/** A shorter way is a click. */
const DRAG = 4;
/** What seconds are counted in. */
const SECONDS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];

/** What steps are counted in: whole ones. */
const STEPS = Array.from({ length: 13 }, (_, power) => [1, 2, 5].map(digit => digit * 10 ** power)).flat();

/** What somebody wants to see. Shares are of what is seen, places on the axis. */
export interface Moves {
  point(x: number | null): void;
  /** By whole points, or to an end. */
  step(by: number): void;
  zoom(range: Range): void;
  scale(factor: number, around?: number): void;
  pan(share: number): void;
  whole(): void;
}

export interface ChartProps {
  label: string;
  layers: readonly Layer[];
  /** Where something began anew. */
  marks: readonly number[];
  x: Range;
  y: Range;
  logX: boolean;
  logY: boolean;
  time: boolean;
  /** Where the crosshair is, and what is there in words. */
  pointed: number | null;
  words: string;
  hint: string;
  moves: Moves;
}

export function Chart(props: ChartProps): ReactElement {
  const { label, layers, marks, x, y, logX, logY, time, pointed, words, hint, moves } = props;
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const now = useRef(props);
  now.current = props;

  useEffect(() => {
    const node = host.current;
    if (node === null) {
      return;
    }
    let colours = coloursOf(node);
    const made = new uPlot(
      options(
        node.clientWidth,
        () => colours,
        now.current,
        () => now.current
      ),
      [[], []],
      node
    );
    plot.current = made;
    show(made, now.current);
    const resized = new ResizeObserver(() => {
      if (node.clientWidth > 0 && node.clientWidth !== made.width) {
        made.setSize({ width: node.clientWidth, height: HEIGHT });
        point(made, now.current);
      }
    });
    resized.observe(node);
    listen(made, () => now.current);
    const forget = onThemeChange(() => {
      colours = coloursOf(node);
      made.redraw(false, true);
    });
    return () => {
      forget();
      resized.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [logX, logY, time]);

  useEffect(() => {
    if (plot.current !== null) {
      show(plot.current, now.current);
      point(plot.current, now.current);
    }
  }, [layers, marks, x[0], x[1], y[0], y[1]]); // eslint-disable-line react-hooks/exhaustive-deps -- `now` is always current
  useEffect(() => {
    if (plot.current !== null) {
      point(plot.current, now.current);
    }
  }, [pointed]);

  return (
    <div
      className="tj-chart"
      ref={host}
      tabIndex={0}
      role="slider"
      aria-label={label}
      aria-describedby={hint}
      aria-valuemin={x[0]}
      aria-valuemax={x[1]}
      aria-valuenow={pointed ?? x[1]}
      aria-valuetext={words}
      onKeyDown={event => onKey(event, moves)}
      onBlur={() => moves.point(null)}
    />
  );
}

function onKey(event: KeyboardEvent, moves: Moves): void {
  const way = event.key === 'ArrowLeft' ? -1 : event.key === 'ArrowRight' ? 1 : 0;
  if (event.ctrlKey || event.metaKey || event.altKey) {
    return;
  } else if (way !== 0) {
    (event.shiftKey ? moves.pan : moves.step)(event.shiftKey ? way / 4 : way);
  } else if (event.key === 'PageUp' || event.key === 'PageDown') {
    moves.step(event.key === 'PageUp' ? 20 : -20);
  } else if (event.key === 'Home' || event.key === 'End') {
    moves.step(event.key === 'End' ? Infinity : -Infinity);
  } else if (event.key === '+' || event.key === '=') {
    moves.scale(0.5);
  } else if (event.key === '-') {
    moves.scale(2);
  } else if (event.key === '0') {
    moves.whole();
  } else if (event.key === 'Escape') {
    moves.point(null);
  } else {
    return;
  }
  // The notebook has keys of its own.
  event.preventDefault();
  event.stopPropagation();
}

/** Pointer and wheel: hover points, a drag zooms or (with Shift) pans, the wheel does so with Ctrl or Shift. */
function listen(plot: uPlot, now: () => ChartProps): void {
  const { over } = plot;
  let from: number | null = null;
  let panned: number | null = null;
  const at = (event: MouseEvent): number => event.clientX - over.getBoundingClientRect().left;
  const value = (left: number): number => plot.posToVal(Math.min(Math.max(left, 0), over.clientWidth), 'x');
  const select = (left: number, width: number): void =>
    plot.setSelect({ left, top: 0, width, height: width && over.clientHeight }, false);
  const handlers: { [type: string]: (event: never) => void } = {
    pointerdown(event: PointerEvent) {
      if (event.button === 0 && event.pointerType !== 'touch') {
        over.setPointerCapture(event.pointerId);
        from = at(event);
        panned = event.shiftKey ? from : null;
      }
    },
    pointermove(event: PointerEvent) {
      const left = at(event);
      if (from !== null && panned !== null) {
        now().moves.pan((panned - left) / over.clientWidth);
        panned = left;
      } else if (from !== null && Math.abs(left - from) > DRAG) {
        const [a, b] = [Math.max(0, Math.min(from, left)), Math.min(over.clientWidth, Math.max(from, left))];
        select(a, b - a);
      }
      now().moves.point(value(left));
    },
    pointerup(event: PointerEvent) {
      const [begun, left] = [from, at(event)];
      from = null;
      select(0, 0);
      if (begun !== null && panned === null && Math.abs(left - begun) > DRAG) {
        now().moves.zoom([value(Math.min(begun, left)), value(Math.max(begun, left))]);
      }
    },
    pointercancel() {
      from = null;
      select(0, 0);
    },
    pointerleave() {
      now().moves.point(null);
    },
    dblclick() {
      now().moves.whole();
    },
    wheel(event: WheelEvent) {
      if (event.ctrlKey || event.metaKey) {
        now().moves.scale(Math.exp(Math.max(-50, Math.min(50, event.deltaY)) / 150), value(at(event)));
      } else if (event.shiftKey) {
        now().moves.pan((event.deltaX || event.deltaY) / over.clientWidth);
      } else {
        return; // The page scrolls.
      }
      event.preventDefault();
    }
  };
  for (const [type, handler] of Object.entries(handlers)) {
    over.addEventListener(type, handler as (event: Event) => void, { passive: false });
  }
}

/** Gives the plot what is to be drawn. The main curve is the one that the crosshair's dot is on. */
function show(plot: uPlot, { layers }: ChartProps): void {
  const main = layers.find(layer => layer.kind === 'main');
  plot.setData(main ? [main.x, Array.from(main.y, y => (Number.isFinite(y) ? y : null))] : [[], []]);
}

function point(plot: uPlot, { pointed }: ChartProps): void {
  const left = pointed === null ? -10 : plot.valToPos(pointed, 'x');
  plot.setCursor({ left: left >= 0 && left <= plot.over.clientWidth ? left : -10, top: 0 }, false);
}

function options(
  width: number,
  colours: () => Colours,
  { logX, logY, time }: ChartProps,
  now: () => ChartProps
): uPlot.Options {
  const axis: uPlot.Axis = {
    stroke: () => colours().quiet,
    font: '11px ' + colours().font,
    ticks: { show: false },
    border: { show: false },
    gap: 6
  };
  const none = (): null => null;
  const silent = {
    mousedown: none,
    mousemove: none,
    mouseup: none,
    mouseleave: none,
    mouseenter: none,
    dblclick: none
  };
  const named = (ticks: number[]): string[] => ticks.map(time ? clock : count);
  const scaled = (log: boolean): Partial<uPlot.Axis> =>
    log ? { splits: (_, __, from, to) => logTicks(from, to), filter: (_, ticks) => ticks } : {};
  return {
    width: Math.max(width, 50),
    height: HEIGHT,
    padding: [6, 24, 0, 0],
    legend: { show: false },
    cursor: { bind: silent, y: false, points: { size: 7, width: 0, fill: () => colours().accent } },
    scales: {
      x: { time: false, distr: logX ? 3 : 1, range: () => [...now().x] },
      y: { distr: logY ? 3 : 1, range: () => [...now().y] }
    },
    axes: [
      {
        ...axis,
        size: 24,
        space: 64,
        grid: { show: false },
        values: (_, ticks) => named(ticks),
        ...(logX && !time ? scaled(true) : { incrs: time ? SECONDS : STEPS })
      },
      {
        ...axis,
        ...scaled(logY),
        values: (_, ticks) => ticks.map(tickText),
        size: 48,
        space: 32,
        grid: { stroke: () => colours().line, width: 1, dash: [2, 4] }
      }
    ],
    series: [{}, { stroke: () => colours().accent, paths: none, points: { show: false } }],
    hooks: { draw: [self => paint(self, now().layers, now().marks, colours())] }
  };
}
