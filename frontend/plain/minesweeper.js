// Minesweeper: the board with the oracle's heat, and its moves and grades in words.

import { h, percent } from './dom.js';

const LEVELS = [0.06, 0.15, 0.25, 0.35, 0.5, 0.65, 0.8];
const TOP = 65_535;

/** The risks of the hidden cells in reading order, from two bytes each. */
export function readRisks(insight) {
  if (!insight?.risk) return null;
  const bytes = atob(insight.risk);
  const risks = [];
  for (let at = 0; at < bytes.length; at += 2) {
    risks.push((bytes.charCodeAt(at) * 256 + bytes.charCodeAt(at + 1)) / TOP);
  }
  return risks;
}

/** 0 and 9 are proofs; the scale between them is finer where risks are small. */
const heatOf = (risk) => (risk === 0 ? 0 : risk === 1 ? 9 : 1 + LEVELS.filter((edge) => risk >= edge).length);

/** How each cell looks: its class, its mark and, in words, what it is. */
export function paint({ view, insight, move, truth }, flags) {
  const risks = readRisks(insight);
  const chosen = new Set(move?.reveal.map((cell) => `${cell.row},${cell.column}`));
  const mines = new Set(truth?.mines.map((cell) => cell.join(',')));
  let hidden = 0;
  return view.rows.flatMap((line, row) => [...line].map((mark, column) => {
    const place = `${row},${column}`;
    const last = chosen.has(place) ? ' last' : '';
    const where = `row ${row}, column ${column}`;
    if (mark === '*') return { look: `hit${last}`, text: '✸', label: `${where}: the mine that was opened` };
    if (mark !== '#') {
      return { look: `open n${mark}${last}`, text: mark === '0' ? '' : mark, label: `${where}: open, ${mark}` };
    }
    const risk = risks?.[hidden];
    hidden += 1;
    if (mines.has(place)) return { look: 'mine', text: '✸', label: `${where}: a mine` };
    if (flags?.has(place)) return { look: 'shut flag', text: '⚑', label: `${where}: closed, your flag` };
    if (risk === undefined) return { look: 'shut', text: '', label: `${where}: closed` };
    const heat = heatOf(risk);
    const text = heat === 0 ? '·' : heat === 9 ? '×' : '';
    return { look: `shut h${heat}`, text, label: `${where}: closed, mine probability ${percent(risk)}` };
  }));
}

/** A board; `makeCell(index)` may give cells of another kind, `named` tells each in words. */
export function makeMinesweeper({ makeCell = () => h('i'), named = false } = {}) {
  const element = h('div', { class: 'board mines' });
  let cells = [];
  let looks = [];
  const draw = (position, flags) => {
    const { rows } = position.view;
    const size = `${rows[0].length}x${rows.length}`;
    if (element.dataset.size !== size) {
      element.dataset.size = size;
      element.style.setProperty('--columns', rows[0].length);
      element.style.setProperty('--rows', rows.length);
      cells = Array.from({ length: rows.length * rows[0].length }, (_, index) => makeCell(index));
      looks = [];
      element.replaceChildren(...cells);
    }
    paint(position, flags).forEach(({ look, text, label }, index) => {
      const seen = named ? look + text + label : look + text;
      if (looks[index] === seen) return;
      looks[index] = seen;
      const cell = cells[index];
      cell.className = look;
      cell.textContent = text;
      if (cell.localName === 'button') cell.setAttribute('aria-label', label);
      else if (named) cell.title = label;
    });
  };
  return { element, draw, cell: (index) => cells[index] };
}

export const minesweeper = {
  name: 'Minesweeper',
  makeBoard: makeMinesweeper,
  describePosition: ({ view }) => {
    const closed = view.rows.join('').split('#').length - 1;
    return `${view.rows.length} by ${view.rows[0].length}, ${view.mines} mines, ${closed} cells closed`;
  },
  describeMove: ({ reveal }) =>
    reveal.length === 1 ? `row ${reveal[0].row}, column ${reveal[0].column}` : `${reveal.length} cells`,
  describeGrade: ({ details }) => `risk ${percent(details.p)}, least ${percent(details.p_min)}`,
  badness: ({ details }) => details.p,
};
