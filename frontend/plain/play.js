// Play yourself: a public Minesweeper task, through the same rules and grades as all.

import { ask, call, ProblemError, readEvents } from './api.js';
import { describeEvent, gameOf } from './boards.js';
import { count, h, percent, setText } from './dom.js';
import { makeMinesweeper, minesweeper } from './minesweeper.js';

const GAME = 'MS-I';
const VARIANT = 'beginner';
const KEPT = 'tilts-play';

export class Play {
  constructor(place) {
    this.flags = new Set();
    this.message = h('p', { role: 'status' });
    this.start = h('button', { type: 'button', class: 'primary', onclick: () => this.begin() }, 'Start a game');
    this.flagging = h('input', { type: 'checkbox' });
    this.tools = h('label', { hidden: true }, this.flagging, ' Put flags (or right click, or F)');
    this.table = h('div', { class: 'stage large', 'data-game': GAME });
    this.verdict = h('div');
    place.replaceChildren(this.table,
      h('div', null, h('div', { class: 'controls' }, this.start, this.tools), this.message, this.verdict));
    this.board = makeMinesweeper({ named: true, makeCell: (index) => this.makeCell(index) });
    this.board.element.setAttribute('role', 'group');
    this.board.element.setAttribute('aria-label', 'Your board: arrow keys move, Enter opens, F puts a flag');
    this.table.append(this.board.element);
    this.position = { status: 'none', view: { rows: Array(9).fill('#########') } };
    this.draw();
    const kept = sessionStorage.getItem(KEPT);
    if (kept) this.show(JSON.parse(kept), 'Your game goes on.');
  }

  async begin() {
    this.start.disabled = true;
    setText(this.message, 'Choosing a task …');
    const wait = () => setText(this.message, 'The server cannot be reached. Trying again.');
    try {
      const { items: suites } = await ask('/suites', wait);
      const suite = suites.find(({ split, games }) => split === 'public' && games[GAME]?.[VARIANT]);
      if (!suite) throw new Error('No public suite has a small Minesweeper task.');
      const { items } = await ask(`/suites/${encodeURIComponent(suite.id)}/tasks?limit=100`, wait);
      const tasks = items.filter(({ game, variant }) => game === GAME && variant === VARIANT);
      const task = tasks[Math.floor(Math.random() * tasks.length)];
      this.flags.clear();
      this.verdict.replaceChildren();
      this.show(await call('/episodes', { task: task.id }), 'The opening is played. Choose a cell.');
    } catch (error) {
      setText(this.message, error.message);
    }
    this.start.disabled = false;
  }

  show(position, message, move) {
    this.position = { ...position, token: position.token ?? this.position.token };
    sessionStorage.setItem(KEPT, JSON.stringify(this.position));
    this.draw(move);
    this.tools.hidden = false;
    setText(this.message, `${message} Step ${position.step}; ${minesweeper.describePosition(position)}.`);
    if (position.status !== 'playing') this.finish();
  }

  draw(move) {
    this.board.draw({ view: this.position.view, move }, this.flags);
  }

  makeCell(index) {
    const act = { onclick: () => (this.flagging.checked ? this.flag(index) : this.open(index)),
      oncontextmenu: (click) => { click.preventDefault(); this.flag(index); },
      onkeydown: (key) => this.press(key, index) };
    return h('button', { type: 'button', tabindex: index ? -1 : 0, ...act });
  }

  place(index) {
    const width = this.position.view.rows[0].length;
    return { row: Math.floor(index / width), column: index % width };
  }

  press(key, index) {
    const { rows } = this.position.view;
    const { row, column } = this.place(index);
    const [down, right] = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[key.key] ?? [0, 0];
    if (key.key === 'f' || key.key === 'F') this.flag(index);
    if (!down && !right) return;
    key.preventDefault();
    const to = Math.min(rows.length - 1, Math.max(0, row + down)) * rows[0].length
      + Math.min(rows[0].length - 1, Math.max(0, column + right));
    this.board.cell(index).tabIndex = -1;
    this.board.cell(to).tabIndex = 0;
    this.board.cell(to).focus();
  }

  flag(index) {
    const { row, column } = this.place(index);
    const place = `${row},${column}`;
    if (!this.flags.delete(place)) this.flags.add(place);
    this.draw();
  }

  async open(index) {
    const cell = this.place(index);
    const { id, step, token, status, view } = this.position;
    const isFlagged = this.flags.has(`${cell.row},${cell.column}`);
    if (status === 'none') this.begin();
    if (this.busy || status !== 'playing' || isFlagged || view.rows[cell.row][cell.column] !== '#') return;
    this.busy = true;
    const move = { reveal: [cell] };
    try {
      this.show(await call(`/episodes/${encodeURIComponent(id)}/moves`, { step, move, token }), 'Opened.', move);
    } catch (error) {
      this.complain(error);
    }
    this.busy = false;
  }

  /** What the server refused: for another step than the next, go on from that one. */
  complain(error) {
    if (!(error instanceof ProblemError)) {
      setText(this.message, 'The server cannot be reached. Choose the cell again in a moment.');
    } else if (error.status === 409 && error.problem.step) {
      this.position.step = error.problem.step;
      setText(this.message, `${error.message} Choose again: the board catches up with your next move.`);
    } else {
      setText(this.message, error.message);
      if ([404, 409].includes(error.status)) this.finish();
    }
  }

  /** It is over: the seal is off, so say what the oracle thought of each move. */
  async finish() {
    sessionStorage.removeItem(KEPT);
    this.position.status = 'finished';
    this.tools.hidden = true;
    setText(this.start, 'Play another');
    const { id } = this.position;
    const events = await readEvents(id).catch((error) => setText(this.message, error.message));
    const end = events?.at(-1);
    if (end?.type !== 'ended' || id !== this.position.id) return;
    const { view, move } = events.findLast((event) => event.view);
    this.board.draw({ view, move, truth: end.truth });
    const { scores } = end;
    setText(this.message, end.outcome === 'won' ? 'You won.' : end.outcome === 'lost' ? 'That was a mine.' : 'The game is over.');
    const game = gameOf(GAME);
    this.verdict.replaceChildren(
      h('p', null, `${percent(scores.completion)} of the safe cells opened in ${count(scores.moves, 'move')}; `
        + `avoidable risk taken, summed: ${scores.regret.toFixed(3)}. `,
      h('a', { href: `#/episode/${encodeURIComponent(id)}` }, 'Replay it with the odds')),
      h('ol', { class: 'grades' }, events.filter(({ type }) => type === 'moved').map((event) => {
        const [happened, details, chip] = describeEvent(game, event);
        return h('li', null, chip, ` ${happened}: ${details}`);
      })));
  }
}
