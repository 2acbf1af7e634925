// Leaderboards: one table each, every number with its interval and its n.

import { ask } from './api.js';
import { gameOf, playerLabel } from './boards.js';
import { h, percent, svg } from './dom.js';

const REST_BETWEEN = 4_000;
const WIDTH = 120;

const formatOf = (metric) => (metric === 'win_rate' ? percent : (value) => value.toFixed(2));

const NAMES = { win_rate: 'Win rate', mean_guesses: 'Mean guesses' };

/** The interval as a line with its estimate as a dot, on a scale that all rows share. */
export function makeBar({ estimate, low, high }, [from, to]) {
  const x = (value) => 4 + ((value - from) / (to - from || 1)) * (WIDTH - 8);
  return svg('svg', { class: 'bar', viewBox: `0 0 ${WIDTH} 16`, width: WIDTH, height: 16, 'aria-hidden': 'true' },
    svg('line', { x1: 4, x2: WIDTH - 4, y1: 8, y2: 8, class: 'axis' }),
    low === null ? null : svg('line', { x1: x(low), x2: x(high), y1: 8, y2: 8, class: 'range' }),
    svg('circle', { cx: x(estimate), cy: 8, r: 3.5, class: low === null ? 'unsure' : '' }));
}

export function scaleOf(rows, metric) {
  if (metric === 'win_rate') return [0, 1];
  const ends = rows.flatMap(({ primary }) => [primary.low ?? primary.estimate, primary.high ?? primary.estimate]);
  return [Math.floor(Math.min(...ends)), Math.ceil(Math.max(...ends))];
}

function makeRow(board, row, scale, variants) {
  const { primary, forfeits } = row;
  const format = formatOf(board.metric);
  const isSettled = primary.low !== null && primary.high !== null;
  return h('tr', null,
    h('th', { scope: 'row' }, playerLabel(row.player),
      h('small', null, row.status === 'complete' ? 'complete' : `incomplete: ${row.missing} of ${board.tasks} missing`)),
    h('td', null, h('div', { class: 'estimate' }, makeBar(primary, scale),
      h('span', null, h('b', null, format(primary.estimate)),
        h('small', null, isSettled ? `${format(primary.low)} – ${format(primary.high)}` : 'not settled')))),
    variants.map((name) => h('td', { class: 'figure wide' }, row.variants[name] ? format(row.variants[name].estimate) : '–')),
    h('td', { class: 'figure' }, String(primary.n)),
    h('td', { class: 'figure' }, percent(forfeits.estimate)));
}

export function makeTable(board) {
  const scale = scaleOf(board.rows, board.metric);
  const format = formatOf(board.metric);
  const weighted = Object.keys(board.weights);
  const methods = [...new Set(board.rows.map(({ primary }) => primary.method))].filter((name) => name !== 'not settled');
  const level = board.rows[0]?.primary.level ?? 0.95;
  const head = (text, kind) => h('th', { scope: 'col', class: kind }, text);
  const body = board.rows.map((row) => makeRow(board, row, scale, weighted));
  if (!body.length) body.push(h('tr', null, h('td', { colspan: 4 + weighted.length }, 'Nobody has finished a game here yet.')));
  const caption = [board.about,
    weighted.length && `${weighted.join(', ')} weigh ${new Set(Object.values(board.weights)).size === 1 ? 'the same' : 'as stated'}.`,
    methods.length && `Intervals: ${level * 100}%, ${methods.join('; ')}.`,
    board.provisional && 'Provisional.'];
  return h('figure', null,
    h('figcaption', { id: `about-${board.id}` },
      h('b', null, `${gameOf(board.game).name} · ${board.suite}`), caption.filter(Boolean).join(' ')),
    h('table', { 'aria-labelledby': `about-${board.id}` },
      h('thead', null, h('tr', null, head('Player'), head(`${NAMES[board.metric] ?? board.metric}, ${scale.map(format).join(' to ')}`),
        weighted.map((name) => head(name, 'figure wide')),
        head('n', 'figure'), head('Forfeits', 'figure'))),
      h('tbody', null, body)));
}

export class Leaderboards {
  constructor(place, note) {
    Object.assign(this, { place, note, busy: false, again: false });
  }

  /** Read them anew: at most every few seconds, however often it is asked for. */
  async refresh() {
    this.again = true;
    if (this.busy) return;
    this.busy = true;
    while (this.again) {
      this.again = false;
      try {
        const wait = () => { this.note.textContent = 'The server cannot be reached. Trying again.'; };
        const { items } = await ask('/leaderboards', wait);
        const boards = [];
        for (const { id } of items) boards.push(await ask(`/leaderboards/${encodeURIComponent(id)}`, wait));
        this.place.replaceChildren(...boards.map(makeTable));
        this.note.textContent = boards.length ? '' : 'There are no leaderboards yet.';
      } catch (error) {
        this.note.textContent = error.message;
      }
      await new Promise((done) => setTimeout(done, REST_BETWEEN));
    }
    this.busy = false;
  }
}
