// The wall: a few games at once, drawn at a pace that a person can follow.

import { ask } from './api.js';
import { describeEvent, gameOf, playerLabel, positionAt } from './boards.js';
import { h, prefersStill, setText } from './dom.js';

export const TICK = 250;
const HOLD = 4_000; // how long a finished game stays
const LOST = 8_000; // how long a game may stand still that is no longer listed

/** Which event to show next: the following one, or further on when far behind. */
export const pace = (shown, last) => Math.min(last, shown + Math.max(1, Math.ceil((last - shown) / 12)));

class Tile {
  constructor(element, episodes) {
    Object.assign(this, { element, episodes });
    this.isFree = true;
  }

  show(episode, isReplay) {
    this.close?.();
    Object.assign(this, { episode, isReplay, isFree: false, log: null, shown: -1, movedAt: Date.now() });
    const game = gameOf(episode.game);
    this.game = game;
    this.board = game.makeBoard();
    this.badge = h('span', { class: 'badge' }, isReplay ? 'replay' : 'starting');
    this.step = h('span', null, 'opening');
    this.what = h('p', { class: 'what' }, h('span', { class: 'wide' }, `${game.name} · `), `${episode.variant} · `, this.step);
    this.grade = h('p', { class: 'grade' });
    this.said = h('p', { class: 'said', dir: 'auto' });
    this.element.replaceChildren(h('a', { href: `#/episode/${encodeURIComponent(episode.id)}` },
      h('div', { class: 'stage', 'aria-hidden': 'true' }, this.board.element),
      h('p', { class: 'who' }, playerLabel(episode.entry), this.badge),
      this.what, this.grade, this.said));
    this.close = this.episodes.open(episode.id, (log) => { this.log = log; }, { isLive: !isReplay });
  }

  /** One step on, if there is one; free once the end has been seen for a while. */
  tick(isListed) {
    if (!this.episode || this.isFree) return;
    const now = Date.now();
    const last = (this.log?.events.length ?? 0) - 1;
    if (this.shown < last) {
      this.shown = this.isReplay && prefersStill() ? last : pace(this.shown, last);
      this.movedAt = now;
      this.draw();
    } else if (this.log?.ended ? now - this.movedAt > HOLD : !isListed && now - this.movedAt > LOST) {
      this.isFree = true;
    }
  }

  draw() {
    const { events } = this.log;
    const event = events[this.shown];
    this.board.draw(positionAt(events, this.shown));
    if (event.step) setText(this.step, `step ${event.step}`);
    const [happened, details, chip] = describeEvent(this.game, event);
    if (event.type === 'moved') this.grade.replaceChildren(chip, ` ${details}`);
    else if (event.type !== 'ended') setText(this.grade, event.type === 'started' ? details : `${happened}: ${details}`);
    if (event.type !== 'ended') setText(this.said, event.said ?? '');
    const ended = event.type === 'ended' && event.outcome;
    setText(this.badge, ended || (this.isReplay ? 'replay' : 'live'));
    this.badge.className = `badge ${ended || (this.isReplay ? '' : 'live')}`;
  }
}

export class Wall {
  constructor(list, note, episodes, onShow) {
    Object.assign(this, { note, onShow, live: null, pool: null, seen: new Set() });
    // The style sheet hides some where there is little room.
    const places = [...list.children].filter((place) => place.offsetParent);
    this.tiles = (places.length ? places : [...list.children]).map((place) => new Tile(place, episodes));
    setInterval(() => document.hidden || this.tick(), TICK);
  }

  /** The newest snapshot of the games in progress. */
  take(live) {
    this.live = live.episodes;
  }

  tick() {
    if (!this.live) return;
    const listed = new Set(this.live.map((episode) => episode.id));
    for (const tile of this.tiles) tile.tick(listed.has(tile.episode?.id));
    for (const tile of this.tiles) {
      const next = this.pick(this.live.filter((episode) => !this.seen.has(episode.id)));
      if (!next || !(tile.isFree || tile.isReplay)) continue;
      this.seen.add(next.id);
      tile.show(next, false);
      this.onShow(next);
    }
    if (!this.live.length) this.replay();
    const playing = this.live.length;
    const isReplaying = this.tiles.some((tile) => tile.isReplay);
    setText(this.note, playing
      ? `${playing >= 100 ? '100 or more games' : playing === 1 ? 'One game' : `${playing} games`} in progress. Choose one to follow it.`
      : `Nothing is being played right now.${isReplaying ? ' These are replays of finished games.' : ''} To start something, take a command from below, or play yourself.`);
  }

  /** Nothing is being played: show games that are over, if there are any. */
  replay() {
    const free = this.tiles.find((tile) => tile.isFree);
    if (!free) return;
    if (!this.pool) {
      this.pool = [];
      this.fillPool();
    }
    const shown = this.tiles.map((tile) => tile.episode?.id);
    const next = this.pick(this.pool.filter((episode) => !shown.includes(episode.id)));
    if (!next || (prefersStill() && free.isReplay)) return;
    free.show(next, true);
    this.onShow(next);
  }

  async fillPool() {
    const { items } = await ask('/evaluations?limit=5');
    for (const { id } of items) {
      const page = await ask(`/evaluations/${encodeURIComponent(id)}/episodes?status=finished&limit=100`);
      this.pool.push(...page.items);
      if (this.pool.length >= 100) return;
    }
    if (!this.pool.length) setTimeout(() => { this.pool = null; }, 10_000);
  }

  /** The one that is least like what is shown; of equals any. */
  pick(candidates) {
    const shown = this.tiles.filter((tile) => tile.episode && !tile.isFree).map((tile) => tile.episode);
    const likeness = (one) => shown.reduce((sum, other) => sum
      + 2 * (one.game + one.variant === other.game + other.variant) + (one.entry === other.entry), Math.random());
    return candidates.map((one) => [likeness(one), one]).sort((a, b) => a[0] - b[0])[0]?.[1];
  }
}
