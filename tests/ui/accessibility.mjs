// WCAG criteria that axe does not check: targets of 24 pixels, a visible focus, text of twice the size, and
// announcements of screen readers.
import { patience } from './chromium.mjs';
import { assert } from './harness.mjs';

const CONTROLS = '.tj-card :is(button, select, input, textarea, summary, a)';

/** Checks that each target is 24 pixels wide and high; inline links may have the height of their line. */
export async function expectLargeTargets(page) {
  const small = await page.evaluate(
    controls =>
      [...document.querySelectorAll(controls)]
        .filter(node => node.checkVisibility() && getComputedStyle(node).display !== 'inline')
        .map(node => [node.outerHTML.slice(0, 80), node.getBoundingClientRect()])
        .filter(([, { width, height }]) => width < 24 || height < 24)
        .map(([html, { width, height }]) => `${html} ${width} × ${height}`),
    CONTROLS
  );
  assert.deepEqual(small, [], 'smaller than 24 pixels');
}

/**
 * Presses Tab until the focus leaves the card; returns the names of the focused elements. Checks that each has a visible
 * focus and is not covered.
 */
export async function tabStops(page) {
  const names = [];
  await page.evaluate(() => {
    document.body.tabIndex = -1;
    document.body.focus();
    document.body.removeAttribute('tabindex');
  });
  for (let i = 0; i < 60; i++) {
    await page.keyboard.press('Tab');
    const stop = await page.evaluate(() => {
      const node = document.activeElement;
      if (node === null || node.closest('.tj-card') === null) {
        return null;
      }
      const { outlineStyle, outlineWidth } = getComputedStyle(node);
      const { left, top, width, height } = node.getBoundingClientRect();
      const over = document.elementFromPoint(left + width / 2, top + height / 2);
      return {
        name: node.getAttribute('aria-label') ?? (node.labels?.[0]?.innerText || node.textContent),
        isVisible: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2,
        isUncovered: over !== null && (node.contains(over) || over.contains(node))
      };
    });
    if (stop === null) {
      break;
    }
    const name = stop.name.split('\n')[0].trim();
    assert.ok(stop.isVisible, `no visible focus: ${name}`);
    assert.ok(stop.isUncovered, `the focused element is covered: ${name}`);
    names.push(name);
  }
  return names;
}

/** In the page: doubles the size of every text, like the text-only zoom of a browser. */
const enlarge = () => {
  const nodes = [...document.querySelectorAll('.tj-card, .tj-card *:not(svg, svg *)')];
  nodes
    .map(node => [node, 2 * parseFloat(getComputedStyle(node).fontSize)])
    .forEach(([node, size]) => (node.style.fontSize = `${size}px`));
};

/** The spacing of WCAG 1.4.12, https://www.w3.org/TR/WCAG22/#text-spacing. */
const SPACED = `.tj-card * {
  line-height: 1.5 !important;
  letter-spacing: 0.12em !important;
  word-spacing: 0.16em !important;
}`;

/** In the page: boxes that cut off their content, and texts that exceed their box. */
function cutElements() {
  const isShown = node =>
    node.checkVisibility() && node.closest('.tj-unseen, option, .tj-side-probe') === null;
  const high = [...document.querySelectorAll('.tj-card *')]
    .filter(node => isShown(node) && node.scrollHeight > node.clientHeight + 2 && node.clientHeight > 0)
    .filter(node => ['hidden', 'clip'].includes(getComputedStyle(node).overflowY))
    .filter(node => !node.matches('select'))
    .map(node => `cut off: ${node.outerHTML.slice(0, 80)}`);
  const rows = [...document.querySelectorAll('.tj-side-rows > li')];
  const over = rows
    .filter(row => row.firstElementChild.scrollHeight > row.clientHeight + 1)
    .map(row => `higher than its row: ${row.innerText}`);
  const out = [...document.querySelectorAll('.tj-card button:not(.tj-row), .tj-card summary')]
    .filter(node => isShown(node) && node.scrollHeight > node.clientHeight + 2)
    .map(node => `exceeds its box: ${node.outerHTML.slice(0, 80)}`);
  const edge = document.querySelector('.tj-card').getBoundingClientRect().right;
  const beyond = [...document.querySelectorAll('.tj-card *')]
    .filter(node => isShown(node) && node.getBoundingClientRect().right > edge + 1)
    .filter(node => getComputedStyle(node.parentElement).textOverflow !== 'ellipsis')
    .map(node => `beyond the edge: ${node.outerHTML.slice(0, 80)}`);
  // The width of a text node is measured with a range.
  const long = [...document.querySelectorAll('.tj-card :is(p, span, label)')]
    .filter(node => isShown(node) && getComputedStyle(node).textOverflow !== 'ellipsis')
    .filter(node => {
      const range = document.createRange();
      range.selectNodeContents(node);
      return (
        range.getBoundingClientRect().right > edge + 1 &&
        getComputedStyle(node.parentElement).textOverflow !== 'ellipsis'
      );
    })
    .map(node => `text beyond the edge: ${node.outerHTML.slice(0, 80)}`);
  return [...high, ...over, ...out, ...beyond, ...long];
}

/** Checks that no text is cut off with twice the text size, or with the spacing of WCAG's "Text Spacing". */
export async function expectRoomForText(page) {
  const style = await page.addStyleTag({ content: SPACED });
  await expectNothingCut(page, 'with WCAG text spacing');
  await style.evaluate(node => node.remove());
  await page.evaluate(enlarge);
  await expectNothingCut(page, 'with twice the text size');
  const wide = () => document.documentElement.scrollWidth - document.documentElement.clientWidth;
  assert.equal(await page.evaluate(wide), 0, 'scrolls sideways with twice the text size');
}

/** Waits until no text is cut off: rows measure the text size with a delay. */
export async function expectNothingCut(page, when) {
  const deadline = performance.now() + patience(60_000);
  let elements = await page.evaluate(cutElements);
  while (elements.length > 0 && performance.now() < deadline) {
    await page.waitForTimeout(20);
    elements = await page.evaluate(cutElements);
  }
  assert.deepEqual(elements, [], when);
}

/** Runs `action`; returns the texts that screen readers announce meanwhile. */
export async function announcementsDuring(page, action) {
  await page.evaluate(() => {
    window.announcements = [];
    const observer = new MutationObserver(changes =>
      changes.forEach(({ target }) => {
        const node = target.nodeType === 1 ? target : target.parentElement;
        const region = node?.closest('[role=status], [role=alert], [aria-live]');
        if (region) {
          window.announcements.push(region.textContent.trim());
        }
      })
    );
    observer.observe(document.body, { childList: true, characterData: true, subtree: true });
  });
  await action();
  return page.evaluate(() => [...new Set(window.announcements)]);
}

/** Checks that no animation is running. */
export async function expectNoAnimation(page) {
  const running = () => document.getAnimations().filter(each => each.playState === 'running').length;
  assert.equal(await page.evaluate(running), 0, 'an animation is running');
}
