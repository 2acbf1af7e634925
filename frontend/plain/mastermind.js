// Mastermind: guesses and answers, what the answers leave possible, grades in words.

import { count, h } from './dom.js';

const peg = (colour) =>
  h('i', { class: colour ? `peg ${colour}` : 'peg', title: colour }, colour ? colour[0].toUpperCase() : '');

function makeTurn(turn, pegs, isLast) {
  const colours = turn?.guess ?? Array.from({ length: pegs }, () => '');
  const answers = turn ? [...'●'.repeat(turn.black), ...'○'.repeat(turn.white)] : [];
  return h('div', { class: `turn${isLast ? ' last' : ''}` },
    h('span', { class: 'pegs' }, colours.map(peg)),
    h('span', { class: 'answer', title: turn && `${turn.black} black, ${turn.white} white` },
      Array.from({ length: pegs }, (_, index) => h('b', null, answers[index] ?? ''))));
}

/** A tinted square for each colour and peg: the share of remaining codes with it there. */
function makeOdds({ colours }, insight) {
  const heat = (n) => (n === 0 ? 'none' : n === insight.remaining ? 'h9' : `h${Math.ceil((n / insight.remaining) * 8)}`);
  return colours.map((colour, index) => h('div', { class: 'odd' }, peg(colour),
    insight.counts.map((counts) =>
      h('i', { class: `odds ${heat(counts[index])}`, title: `${colour}: ${counts[index]} of ${insight.remaining}` }))));
}

export function makeMastermind() {
  const element = h('div', { class: 'board codes' });
  const draw = ({ view, insight, truth }) => {
    element.style.setProperty('--turns', view.limit);
    element.style.setProperty('--pegs', view.pegs);
    const turns = Array.from({ length: view.limit }, (_, index) =>
      makeTurn(view.turns[index], view.pegs, index === view.turns.length - 1));
    const side = [];
    if (insight && !truth) side.push(h('b', { class: 'codes-left' }, count(insight.remaining, 'code')), h('span', null, 'left'), ...makeOdds(view, insight));
    if (truth) side.push(h('span', null, 'the code'), h('div', { class: 'pegs' }, truth.secret.map(peg)));
    element.replaceChildren(h('div', { class: 'turns' }, turns), h('div', { class: 'side' }, side));
  };
  return { element, draw };
}

export const mastermind = {
  name: 'Mastermind',
  makeBoard: makeMastermind,
  describePosition: ({ view, insight }) =>
    `${view.turns.length} of ${view.limit} guesses${insight ? `, ${count(insight.remaining, 'code')} left` : ''}`,
  describeMove: ({ guess }) => guess.join(' '),
  describeGrade: ({ exact, details }) => (exact
    ? `${details.expected.toFixed(2)} guesses to go, best ${details.best_expected.toFixed(2)}`
    : `${details.bits.toFixed(2)} bits, best ${details.best_bits.toFixed(2)}`),
  badness: ({ exact, details, regret }) => Math.min(1, regret / ((exact ? details.best_expected : details.best_bits) || 1)),
};
