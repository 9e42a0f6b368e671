/** The theme for a canvas: resolved colours, and notification of changes. */

export interface Colours {
  accent: string;
  ground: string;
  text: string;
  line: string;
  quiet: string;
  bad: string;
  font: string;
}

/** Reads the tokens of `style/tokens.css` at `node`. A probe element resolves their values (`color-mix`, names). */
export function coloursOf(node: HTMLElement): Colours {
  const probe = document.createElement('span');
  // With forced colours, the property decides between the system's background and text colour.
  probe.style.backgroundColor = 'var(--tj-bg)';
  node.append(probe);
  const colour = (token: string): string => {
    probe.style.color = `var(${token})`;
    return getComputedStyle(probe).color;
  };
  const colours = {
    accent: colour('--tj-accent'),
    ground: getComputedStyle(probe).backgroundColor,
    text: colour('--tj-fg'),
    line: colour('--tj-line'),
    quiet: colour('--tj-quiet'),
    bad: colour('--tj-bad'),
    font: getComputedStyle(node).fontFamily || 'sans-serif'
  };
  probe.remove();
  return colours;
}

/** Hosts switch themes by attributes or classes of the body or the root; pages without a host follow the system. */
export function onThemeChange(changed: () => void): () => void {
  const observer = new MutationObserver(changed);
  for (const node of [document.documentElement, document.body]) {
    observer.observe(node, {
      attributes: true,
      attributeFilter: [
        'class',
        'style',
        'theme',
        'data-theme',
        'data-jp-theme-name',
        'data-jp-theme-light',
        'data-vscode-theme-kind'
      ]
    });
  }
  const system = ['(prefers-color-scheme: dark)', '(forced-colors: active)'].map(query => matchMedia(query));
  system.forEach(item => item.addEventListener('change', changed));
  return () => {
    observer.disconnect();
    system.forEach(item => item.removeEventListener('change', changed));
  };
}
