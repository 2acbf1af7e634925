// One game, large: every step with its grade, to be followed live or scrubbed.

import { describeEvent, gameOf, gradeChip, playerLabel, positionAt } from './boards.js';
import { h, setText, svg } from './dom.js';
import { pace, TICK } from './wall.js';

const button = (label, name, onclick) => h('button', { type: 'button', 'aria-label': name, title: name, onclick }, label);

export class Follow {
  constructor(section, episodes) {
    Object.assign(this, { section, episodes });
    document.addEventListener('keydown', (key) => this.press(key));
    setInterval(() => this.advance(), TICK);
  }

  open(id, n) {
    if (this.id === id) {
      if (n) this.go(n - 1);
      return;
    }
    this.leave();
    Object.assign(this, { id, wanted: n, index: -1, pinned: !n, playing: false, log: null, board: null });
    this.title = h('h2', { tabindex: -1 }, 'Loading …');
    this.facts = h('p', { class: 'quiet' }, id);
    this.stage = h('div', { class: 'stage large' });
    this.strip = svg('svg', { class: 'strip', 'aria-hidden': 'true', preserveAspectRatio: 'none', onclick: (click) => this.seek(click) });
    this.slider = h('input', { type: 'range', min: 1, max: 1, value: 1, 'aria-label': 'Step', oninput: () => this.go(this.slider.value - 1) });
    this.playButton = button('▶', 'Play or pause (space)', () => this.play());
    this.liveButton = button('Live', 'Follow the newest move', () => this.pin());
    this.count = h('span', { class: 'quiet' });
    this.happened = h('p', { class: 'happened' });
    this.said = h('blockquote', { class: 'said', dir: 'auto' });
    this.steps = h('ol', { class: 'steps', 'aria-label': 'Steps', tabindex: -1 });
    this.section.replaceChildren(
      h('p', null, h('a', { href: '#/' }, '← All games')), this.title, this.facts,
      h('div', { class: 'game' },
        h('div', { class: 'left' }, this.stage, this.strip, this.slider,
          h('div', { class: 'controls' },
            button('«', 'First (Home)', () => this.go(0)), button('‹', 'Back (left arrow)', () => this.go(this.index - 1)),
            this.playButton,
            button('›', 'On (right arrow)', () => this.go(this.index + 1)), button('»', 'Last (End)', () => this.pin()),
            this.liveButton, this.count),
          this.happened, this.said),
        this.steps));
    this.title.focus({ preventScroll: true });
    this.close = this.episodes.open(id, (log) => this.take(log));
  }

  leave() {
    this.close?.();
    clearTimeout(this.naming);
    this.close = this.id = this.log = null;
  }

  take(log) {
    this.log = log;
    if (log.problem) setText(this.facts, log.problem);
    const { events } = log;
    if (!events.length) {
      if (log.problem) setText(this.title, 'This game cannot be shown yet');
      return;
    }
    if (!this.board) this.begin(events[0]);
    for (let at = this.steps.children.length; at < events.length; at += 1) this.addStep(events[at], at);
    this.slider.max = events.length;
    this.liveButton.hidden = log.ended;
    if (this.index < 0) this.show(Math.min(this.wanted || events.length, events.length) - 1);
    else this.show(this.index);
  }

  begin(started) {
    const { task, player, oracle } = started;
    this.game = gameOf(task.game);
    this.board = this.game.makeBoard({ named: true });
    this.stage.replaceChildren(this.board.element);
    this.stage.dataset.game = task.game;
    this.title.replaceChildren(playerLabel(player));
    const id = encodeURIComponent(this.id);
    this.facts.replaceChildren(`${this.game.name} · ${task.variant} · task ${task.id} · ${oracle} · `,
      h('a', { href: `/v1/episodes/${id}/events`, target: '_blank', rel: 'noopener' }, 'events as JSON'));
    document.title = `${player}: ${this.game.name} · Tilts`;
  }

  addStep(event, at) {
    const [happened, details, chip] = describeEvent(this.game, event);
    const number = h('span', { class: 'number' }, event.type === 'moved' ? String(event.step) : '');
    this.steps.append(h('li', null, h('button', { type: 'button', onclick: () => this.go(at) },
      number, h('span', null, happened), chip ?? '', h('small', null, details))));
    const height = event.type === 'moved' ? 1 + 19 * this.game.badness(event.grade) : 0;
    this.strip.setAttribute('viewBox', `0 0 ${at + 1} 20`);
    this.strip.append(svg('rect', { x: at + 0.1, y: 20 - height, width: 0.8, height, class: event.grade ? gradeChip(event.grade).className : '' }));
  }

  /** Look at one event; the address says which. */
  go(index) {
    if (!this.log?.events.length) return;
    this.pinned = false;
    this.show(Math.max(0, Math.min(index, this.log.events.length - 1)));
    clearTimeout(this.naming); // some browsers allow only few of these a second
    const address = `#/episode/${encodeURIComponent(this.id)}/${this.index + 1}`;
    this.naming = setTimeout(() => history.replaceState(null, '', address), 200);
  }

  pin() {
    if (!this.log) return;
    this.go(this.log.events.length - 1);
    this.pinned = true;
  }

  play() {
    if (!this.log) return;
    if (!this.playing && this.index >= this.log.events.length - 1) this.go(0);
    this.playing = !this.playing;
    this.playButton.textContent = this.playing ? '❚❚' : '▶';
  }

  /** A step on: while it plays by itself, or to keep up with a game in progress. */
  advance() {
    const last = (this.log?.events.length ?? 0) - 1;
    if (!this.log || this.section.hidden) return;
    if (this.index < last && this.playing) this.go(this.index + 1);
    else if (this.index < last && this.pinned) this.show(pace(this.index, last));
    else if (this.playing && this.log.ended) this.play();
  }

  show(index) {
    const { events, ended } = this.log;
    const event = events[index];
    this.liveButton.setAttribute('aria-pressed', this.pinned);
    this.liveButton.className = this.pinned && !ended ? 'on' : '';
    setText(this.count, `${index + 1} of ${events.length}${ended ? '' : ' so far'}`);
    if (index === this.index) return;
    this.steps.children[this.index]?.firstChild.removeAttribute('aria-current');
    this.index = index;
    this.slider.value = index + 1;
    const position = positionAt(events, index);
    this.board.draw(position);
    this.stage.setAttribute('role', 'img');
    this.stage.setAttribute('aria-label', `${this.game.name}: ${this.game.describePosition(position)}`);
    const [happened, details, chip] = describeEvent(this.game, event);
    this.happened.replaceChildren(h('b', null, happened), ' ', chip ?? '', ` ${details}`);
    setText(this.said, event.said ?? '');
    this.slider.setAttribute('aria-valuetext', `${happened}, ${chip?.textContent ?? ''} ${details}`);
    [...this.strip.children].forEach((bar, at) => bar.toggleAttribute('data-on', at === index));
    const item = this.steps.children[index];
    item.firstChild.setAttribute('aria-current', 'step');
    const { steps } = this;
    steps.scrollTop = item.offsetTop - steps.offsetTop - (steps.clientHeight - item.offsetHeight) / 2;
  }

  seek(click) {
    const box = this.strip.getBoundingClientRect();
    this.go(Math.floor(((click.clientX - box.left) / box.width) * this.log.events.length));
  }

  press(key) {
    if (this.section.hidden || !this.log || key.ctrlKey || key.metaKey || key.altKey) return;
    if (key.target === this.slider && key.key !== ' ') return;
    const act = {
      ArrowLeft: () => this.go(this.index - 1),
      ArrowRight: () => this.go(this.index + 1),
      Home: () => this.go(0),
      End: () => this.pin(),
      ' ': () => this.play(),
    }[key.key];
    if (!act || (key.key === ' ' && key.target.closest('button, a'))) return;
    key.preventDefault();
    act();
  }
}
