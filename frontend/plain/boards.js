// Boards: one entry for each game, and what any event of a log shows.

import { h } from './dom.js';
import { mastermind } from './mastermind.js';
import { minesweeper } from './minesweeper.js';

const unknown = {
  makeBoard: () => {
    const element = h('pre', { class: 'board text' });
    return { element, draw: ({ view }) => { element.textContent = JSON.stringify(view, null, 1); } };
  },
  describePosition: () => '',
  describeMove: (move) => JSON.stringify(move),
  describeGrade: ({ regret, unit }) => `regret ${regret} ${unit}`,
  badness: () => 0,
};

const GAMES = { 'MS-I': minesweeper, 'MM-I': mastermind };

export const gameOf = (code) => GAMES[code] ?? { ...unknown, name: code };

/** What is on the board after the event at `index` of a log. */
export function positionAt(events, index) {
  let at = index;
  while (at > 0 && !events[at].view) at -= 1;
  const { view, insight, move } = events[at];
  return { view, insight, move, truth: events[index].truth, step: events[at].step ?? 0 };
}

/** A player's id as people read it: its name, then whose it is; the whole id as a title. */
export function playerLabel(id) {
  const [whose, ...parts] = id.split('~');
  const [, copy] = id.match(/\+(\d+)$/) ?? [];
  const name = whose === 'human' || whose === 'bot' ? 'a visitor' : parts.slice(0, -1).join(' ') || parts[0];
  return h('span', { class: 'player', title: id }, h('b', { dir: 'auto' }, name || id),
    name ? ` ${whose}${copy ? `, twin ${copy}` : ''}` : '');
}

/** The class of a grade as a chip, coloured by how good it is. */
export function gradeChip(grade) {
  const tone = { safe: 'good', forced: 'good', best: 'good', blunder: 'bad', wasted: 'bad', premature: 'bad' };
  return h('span', { class: `chip ${tone[grade.class] ?? 'warn'}` }, grade.class);
}

/** An event as [what happened, details, a chip or null], all text. */
export function describeEvent(game, event) {
  switch (event.type) {
    case 'started': return ['Opening', game.describePosition(event), null];
    case 'moved': {
      const note = event.grade.exact || event.grade.unit === 'bits' ? '' : ' (not exact)';
      return [game.describeMove(event.move), game.describeGrade(event.grade) + note, gradeChip(event.grade)];
    }
    case 'attempted': return [`Attempt ${event.try} failed`, `${event.failure}: ${event.complaint ?? ''}`, null];
    case 'forfeited': return ['Forfeited', event.reason, null];
    case 'ended': return [`Ended: ${event.outcome}`, event.termination, null];
    default: return [event.type, '', null];
  }
}
