// Evaluations: how far each has come, and its games.

import { ask } from './api.js';
import { gameOf, playerLabel } from './boards.js';
import { count, h, setText } from './dom.js';

const SHOWN = 8;

export class Evaluations {
  constructor(list, note, feed, onChange) {
    Object.assign(this, { list, note, feed, onChange, items: new Map() });
  }

  /** Read the newest ones, and follow those that are under way. */
  async refresh() {
    this.again = true;
    if (this.busy) return;
    this.busy = true;
    while (this.again) {
      this.again = false;
      await this.read();
    }
    this.busy = false;
  }

  async read() {
    try {
      const wait = () => setText(this.note, 'The server cannot be reached. Trying again.');
      const { items } = await ask(`/evaluations?limit=${SHOWN}`, wait);
      const ids = new Set(items.map(({ id }) => id));
      for (const id of this.items.keys()) if (!ids.has(id)) this.drop(id);
      for (const evaluation of items) if (!this.items.has(evaluation.id)) this.add(evaluation);
      this.list.replaceChildren(...items.map(({ id }) => this.items.get(id).element));
      setText(this.note, items.length ? '' : 'There are none yet. The second command below makes one.');
      for (const { id } of items) if (!this.items.get(id).over) this.show(await ask(`/evaluations/${encodeURIComponent(id)}`, wait));
    } catch (error) {
      setText(this.note, error.message);
    }
  }

  add({ id, name, suite, entries }) {
    const path = `/v1/evaluations/${encodeURIComponent(id)}`;
    const item = {
      status: h('span', { class: 'badge' }),
      bar: h('progress', { max: 1, value: 0, 'aria-label': `Progress of ${name || id}` }),
      text: h('span', { class: 'quiet' }),
      games: h('ul', { class: 'games' }),
      over: false,
    };
    const details = h('details', { ontoggle: () => details.open && !item.games.childElementCount && this.addGames(id, item, '') },
      h('summary', null, 'Games'), item.games);
    item.element = h('li', null,
      h('p', { class: 'line' }, h('b', { title: id, dir: 'auto' }, name || id), item.status, h('span', { class: 'quiet' },
        `${suite} · ${count(entries.length, 'player')} · `, h('a', { href: `${path}/results?format=csv` }, 'results as CSV'))),
      h('p', { class: 'line' }, item.bar, item.text), details);
    this.items.set(id, item);
  }

  drop(id) {
    this.feed.unwatch(`evaluation:${id}`);
    this.items.delete(id);
  }

  /** What the topic or REST says of one. */
  show({ id, status, end, progress }) {
    const item = this.items.get(id);
    if (!item) return;
    const { episodes, over } = progress;
    item.bar.max = episodes;
    item.bar.value = over;
    setText(item.text, `${over} of ${count(episodes, 'game')}`);
    setText(item.status, end && end !== 'complete' ? `${status}: ${end}` : status);
    item.status.className = `badge ${status}`;
    const topic = `evaluation:${id}`;
    item.over = status === 'finished';
    if (item.over) this.feed.unwatch(topic);
    else if (!item.watched) this.feed.watch(topic, { state: (state) => this.show(state) });
    item.watched = !item.over;
    this.onChange();
  }

  async addGames(id, item, cursor) {
    try {
      const page = await ask(`/evaluations/${encodeURIComponent(id)}/episodes?limit=30${cursor}`);
      item.games.append(...page.items.map((game) => h('li', null, h('a', { href: `#/episode/${encodeURIComponent(game.id)}` },
        playerLabel(game.entry), h('span', { class: 'quiet' }, `${gameOf(game.game).name} · ${game.variant} · ${game.end ?? game.status}`)))));
      if (!page.items.length) item.games.append(h('li', null, 'None yet.'));
      if (!page.next) return;
      const more = h('li', null, h('button', { type: 'button', onclick: () => {
        more.remove();
        this.addGames(id, item, `&cursor=${encodeURIComponent(page.next)}`);
      } }, 'More'));
      item.games.append(more);
    } catch (error) {
      item.games.append(h('li', null, error.message));
    }
  }
}
