/** Browser downloads: the curves as a picture, and other files. */
import { coloursOf } from './themeColours';

const AIR = 12;

export function save(content: Blob, name: string): void {
  const url = URL.createObjectURL(content);
  const link = document.createElement('a');
  link.href = url;
  link.download = name.replace(/[^\w.-]+/g, '_');
  link.click();
  // Some browsers read the URL after the click has returned.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** Draws the charts in `grid` as a PNG, on the theme's background, under a title. */
export function picture(grid: HTMLElement, title: string): Promise<Blob | null> {
  const ratio = devicePixelRatio;
  const colours = coloursOf(grid);
  const frame = grid.getBoundingClientRect();
  const top = 36;
  const canvas = document.createElement('canvas');
  canvas.width = (frame.width + 2 * AIR) * ratio;
  canvas.height = (frame.height + top + AIR) * ratio;
  const ctx = canvas.getContext('2d');
  if (ctx === null) {
    return Promise.resolve(null);
  }
  ctx.scale(ratio, ratio);
  ctx.fillStyle = colours.ground;
  ctx.fillRect(0, 0, canvas.width, canvas.height);
  const write = (text: string, x: number, y: number, size: number, weight: number): void => {
    ctx.font = `${weight} ${size}px ${colours.font}`;
    ctx.fillText(text, x, y);
  };
  ctx.fillStyle = colours.text;
  write(title, AIR + 10, 24, 14, 600);
  const place = (node: Element): [number, number] => {
    const { left, top: up } = node.getBoundingClientRect();
    return [left - frame.left + AIR, up - frame.top + top];
  };
  for (const node of grid.querySelectorAll('[data-png], canvas')) {
    const [x, y] = place(node);
    if (node instanceof HTMLCanvasElement) {
      ctx.drawImage(node, x, y, node.width / ratio, node.height / ratio);
    } else {
      const { fontWeight, color } = getComputedStyle(node);
      ctx.fillStyle = color;
      write(node.textContent ?? '', x, y + 14, 13, Number(fontWeight));
    }
  }
  return new Promise(resolve => canvas.toBlob(resolve));
}
