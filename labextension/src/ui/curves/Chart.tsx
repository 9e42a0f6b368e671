/**
 * One metric on a canvas. uPlot draws scales, axes and crosshair in the card's colours; `paintLayers` draws the layers,
 * since each has its own steps. Pointer, wheel and keys call `ChartActions`: the panel keeps the visible range, which is
 * the same for all charts.
 */
import { useEffect, useRef } from 'react';
import type { KeyboardEvent, ReactElement } from 'react';
import uPlot from 'uplot';

import { clock, count } from '../../core/format';
import { logTicks, tickText } from '../../core/curves/curveLayers';
import type { Range } from '../../core/curves/zoomRange';
import { type Colours, coloursOf, onThemeChange } from './themeColours';
import { paint, type Painting } from './paintLayers';

/** A shorter pointer movement is a click. */
const MIN_DRAG_PIXELS = 4;
/** The distances of ticks on a time axis, in seconds. */
const SECOND_INCREMENTS = [
  1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400
];

/** The range of an axis without values, positive for a logarithmic one. */
const NO_VALUES: Range = [1, 10];

/** The distances of ticks on a step axis. */
const STEP_INCREMENTS = Array.from({ length: 13 }, (_, power) =>
  [1, 2, 5].map(digit => digit * 10 ** power)
).flat();

/** The user's navigation in a chart. Shares are of the visible range; positions and ranges are axis values. */
export interface ChartActions {
  point(x: number | null): void;
  /** Moves the crosshair by points, or with ±Infinity to an end. */
  step(by: number): void;
  zoom(range: Range): void;
  scale(factor: number, around?: number): void;
  pan(share: number): void;
  whole(): void;
}

export interface ChartProps extends Painting {
  label: string;
  x: Range;
  /** Null without a value that can be drawn: the axis has no numbers then. */
  y: Range | null;
  logX: boolean;
  logY: boolean;
  time: boolean;
  /** The crosshair's position, and `text`, the values there. */
  pointed: number | null;
  text: string;
  hint: string;
  moves: ChartActions;
}

export function Chart(props: ChartProps): ReactElement {
  const { label, layers, marks, gaps, x, y, logX, logY, time, pointed, text, hint, moves } = props;
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const latest = useRef(props);
  latest.current = props;

  useEffect(() => {
    const node = host.current;
    if (node === null) {
      return;
    }
    let colours = coloursOf(node);
    const chart = new uPlot(
      plotOptions(
        node,
        () => colours,
        latest.current,
        () => latest.current
      ),
      [[], []],
      node
    );
    plot.current = chart;
    setPlotData(chart, latest.current);
    const resized = new ResizeObserver(() => {
      const { clientWidth: width, clientHeight: height } = node;
      if (width > 0 && height > 0 && (width !== chart.width || height !== chart.height)) {
        chart.setSize({ width, height });
        setCrosshair(chart, latest.current);
      }
    });
    resized.observe(node);
    addPointerListeners(chart, () => latest.current);
    const unsubscribe = onThemeChange(() => {
      colours = coloursOf(node);
      chart.redraw(false, true);
    });
    return () => {
      unsubscribe();
      resized.disconnect();
      chart.destroy();
      plot.current = null;
    };
  }, [logX, logY, time]);

  useEffect(() => {
    if (plot.current !== null) {
      setPlotData(plot.current, latest.current);
      setCrosshair(plot.current, latest.current);
    }
  }, [layers, marks, gaps, x[0], x[1], y?.[0], y?.[1]]); // eslint-disable-line react-hooks/exhaustive-deps -- `latest` is always current
  useEffect(() => {
    if (plot.current !== null) {
      setCrosshair(plot.current, latest.current);
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
      aria-valuetext={text}
      onKeyDown={event => onKey(event, moves)}
      onBlur={() => moves.point(null)}
    />
  );
}

function onKey(event: KeyboardEvent, moves: ChartActions): void {
  const direction = event.key === 'ArrowLeft' ? -1 : event.key === 'ArrowRight' ? 1 : 0;
  if (event.ctrlKey || event.metaKey || event.altKey) {
    return;
  } else if (direction !== 0) {
    (event.shiftKey ? moves.pan : moves.step)(event.shiftKey ? direction / 4 : direction);
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
  // The notebook would handle the key as a shortcut.
  event.preventDefault();
  event.stopPropagation();
}

/** Pointer and wheel: hovering moves the crosshair, a drag zooms or (with Shift) pans, the wheel zooms with Ctrl and pans with Shift. */
function addPointerListeners(plot: uPlot, latest: () => ChartProps): void {
  const { over } = plot;
  let from: number | null = null;
  let panned: number | null = null;
  const leftOf = (event: MouseEvent): number => event.clientX - over.getBoundingClientRect().left;
  const value = (left: number): number => plot.posToVal(Math.min(Math.max(left, 0), over.clientWidth), 'x');
  const select = (left: number, width: number): void =>
    plot.setSelect({ left, top: 0, width, height: width && over.clientHeight }, false);
  const handlers: { [type: string]: (event: never) => void } = {
    pointerdown(event: PointerEvent) {
      if (event.button === 0 && event.pointerType !== 'touch') {
        over.setPointerCapture(event.pointerId);
        from = leftOf(event);
        panned = event.shiftKey ? from : null;
      }
    },
    pointermove(event: PointerEvent) {
      const left = leftOf(event);
      if (from !== null && panned !== null) {
        latest().moves.pan((panned - left) / over.clientWidth);
        panned = left;
      } else if (from !== null && Math.abs(left - from) > MIN_DRAG_PIXELS) {
        const [a, b] = [Math.max(0, Math.min(from, left)), Math.min(over.clientWidth, Math.max(from, left))];
        select(a, b - a);
      }
      latest().moves.point(value(left));
    },
    pointerup(event: PointerEvent) {
      const [start, left] = [from, leftOf(event)];
      from = null;
      select(0, 0);
      if (start !== null && panned === null && Math.abs(left - start) > MIN_DRAG_PIXELS) {
        latest().moves.zoom([value(Math.min(start, left)), value(Math.max(start, left))]);
      }
    },
    pointercancel() {
      from = null;
      select(0, 0);
    },
    pointerleave() {
      latest().moves.point(null);
    },
    dblclick() {
      latest().moves.whole();
    },
    wheel(event: WheelEvent) {
      if (event.ctrlKey || event.metaKey) {
        latest().moves.scale(Math.exp(Math.max(-50, Math.min(50, event.deltaY)) / 150), value(leftOf(event)));
      } else if (event.shiftKey) {
        latest().moves.pan((event.deltaX || event.deltaY) / over.clientWidth);
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

/** Gives the main curve to the plot, which draws the crosshair's dot on it. */
function setPlotData(plot: uPlot, { layers }: ChartProps): void {
  const main = layers.find(layer => layer.kind === 'main');
  plot.setData(main ? [main.x, Array.from(main.y, y => (Number.isFinite(y) ? y : null))] : [[], []]);
}

function setCrosshair(plot: uPlot, { pointed }: ChartProps): void {
  const left = pointed === null ? -10 : plot.valToPos(pointed, 'x');
  plot.setCursor({ left: left >= 0 && left <= plot.over.clientWidth ? left : -10, top: 0 }, false);
}

function plotOptions(
  host: HTMLElement,
  colours: () => Colours,
  { logX, logY, time }: ChartProps,
  latest: () => ChartProps
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
  const tickLabels = (ticks: number[]): string[] => ticks.map(time ? clock : count);
  const scaled = (log: boolean): Partial<uPlot.Axis> =>
    log ? { splits: (_, __, from, to) => logTicks(from, to), filter: (_, ticks) => ticks } : {};
  return {
    width: Math.max(host.clientWidth, 50),
    height: Math.max(host.clientHeight, 50),
    padding: [6, 24, 0, 0],
    legend: { show: false },
    cursor: { bind: silent, y: false, points: { size: 7, width: 0, fill: () => colours().accent } },
    scales: {
      x: { time: false, distr: logX ? 3 : 1, range: () => [...latest().x] },
      y: { distr: logY ? 3 : 1, range: () => [...(latest().y ?? NO_VALUES)] }
    },
    axes: [
      {
        ...axis,
        size: 24,
        space: 64,
        grid: { show: false },
        values: (_, ticks) => tickLabels(ticks),
        ...(logX && !time ? scaled(true) : { incrs: time ? SECOND_INCREMENTS : STEP_INCREMENTS })
      },
      {
        ...axis,
        ...scaled(logY),
        values: (_, ticks) => (latest().y === null ? [] : ticks.map(tickText)),
        size: 48,
        space: 32,
        grid: { stroke: () => colours().line, width: 1, dash: [2, 4] }
      }
    ],
    series: [{}, { stroke: () => colours().accent, paths: none, points: { show: false } }],
    hooks: { draw: [self => paint(self, latest(), colours())] }
  };
}
