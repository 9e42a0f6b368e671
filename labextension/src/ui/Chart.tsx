/** A curve on a canvas: uPlot, coloured by the card's own CSS variables and redrawn when the theme changes. */
import { useEffect, useRef } from 'react';
import type { ReactElement } from 'react';
import uPlot from 'uplot';

import { stepRange, valueRange } from '../core/curves';
import { count } from '../core/format';
import type { Curve } from '../core/types';
import { type Colours, coloursOf, onThemeChange } from './colours';

const HEIGHT = 150;

export interface ChartProps {
  /** What the picture shows, in words. */
  label: string;
  curve: Curve;
  total: number | null;
  /** The index of the point under the pointer, null where there is none. */
  onPoint: (index: number | null) => void;
}

export function Chart({ label, curve, total, onPoint }: ChartProps): ReactElement {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const shown = useRef({ curve, total });
  shown.current = { curve, total };

  useEffect(() => {
    const node = host.current;
    if (node === null) {
      return;
    }
    let colours = coloursOf(node);
    const made = new uPlot(
      options(node.clientWidth, () => colours, shown, onPoint),
      columns(shown.current.curve),
      node
    );
    plot.current = made;
    const resized = new ResizeObserver(() => {
      if (node.clientWidth > 0 && node.clientWidth !== made.width) {
        made.setSize({ width: node.clientWidth, height: HEIGHT });
      }
    });
    resized.observe(node);
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
  }, [onPoint]);

  useEffect(() => {
    plot.current?.setData(columns(curve));
  }, [curve, total]);

  return <div className="tj-chart" ref={host} role="img" aria-label={label} />;
}

function columns(curve: Curve): uPlot.AlignedData {
  return [curve.x, gaps(curve.mean), gaps(curve.low), gaps(curve.high)];
}

/** uPlot draws a gap at null; what is no number is one. */
function gaps(column: Float64Array): (number | null)[] {
  return Array.from(column, x => (Number.isFinite(x) ? x : null));
}

function options(
  width: number,
  colours: () => Colours,
  shown: { current: { curve: Curve; total: number | null } },
  onPoint: (index: number | null) => void
): uPlot.Options {
  const axis: uPlot.Axis = {
    stroke: () => colours().quiet,
    font: '11px ' + colours().font,
    ticks: { show: false },
    border: { show: false }
  };
  return {
    width: Math.max(width, 50),
    height: HEIGHT,
    padding: [8, 10, 0, 0],
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, y: false, points: { size: 7 } },
    scales: {
      x: { time: false, range: () => stepRange(shown.current.curve, shown.current.total) },
      y: { range: () => valueRange(shown.current.curve) }
    },
    axes: [
      { ...axis, size: 26, gap: 6, space: 64, grid: { show: false }, values: (_, ticks) => ticks.map(count) },
      {
        ...axis,
        size: 52,
        gap: 6,
        space: 28,
        grid: { stroke: () => colours().line, width: 1, dash: [2, 4] }
      }
    ],
    series: [
      {},
      { stroke: () => colours().accent, width: 1.75, points: { show: false } },
      { stroke: 'transparent', points: { show: false } },
      { stroke: 'transparent', points: { show: false } }
    ],
    bands: [{ series: [3, 2], fill: () => colours().band }],
    hooks: { setCursor: [self => onPoint(self.cursor.idx ?? null)] }
  };
}
