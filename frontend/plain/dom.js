// Building elements. Text only ever becomes text nodes: nothing here reads HTML.

const SVG = 'http://www.w3.org/2000/svg';

function fill(node, props, children) {
  for (const [name, value] of Object.entries(props ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? '' : String(value));
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

/** An element with attributes, listeners (`onclick`) and children. */
export const h = (tag, props, ...children) =>
  fill(document.createElement(tag), props, children);

/** The same for SVG. */
export const svg = (tag, props, ...children) =>
  fill(document.createElementNS(SVG, tag), props, children);

export const byId = (id) => document.getElementById(id);

/** Set text only where it differs, so that nothing is laid out or announced again. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export const prefersStill = () => matchMedia('(prefers-reduced-motion: reduce)').matches;

/** A share as a percentage; 0% and 100% only for exactly 0 and 1. */
export function percent(share) {
  if (share === 0 || share === 1) return `${share * 100}%`;
  if (share < 0.001) return '<0.1%';
  if (share > 0.999) return '>99.9%';
  return `${(share * 100).toFixed(1)}%`;
}

export const count = (n, one, many = `${one}s`) => `${n.toLocaleString('en-GB')} ${n === 1 ? one : many}`;
