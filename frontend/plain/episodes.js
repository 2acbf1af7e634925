// Logs of episodes: read over REST, followed over the feed, shared by who looks at them.

import { ask, readEvents } from './api.js';

export class Episodes {
  constructor(feed) {
    this.feed = feed;
    this.logs = new Map();
  }

  /** Follow an episode from its first event; `listener(log)` after each change.
   * The log is {id, events, ended, problem}; the answer is a function that lets go. */
  open(id, listener, { isLive = false } = {}) {
    let log = this.logs.get(id);
    if (!log) {
      log = { id, events: [], ended: false, problem: null, listeners: new Set() };
      this.logs.set(id, log);
      if (isLive) this.watch(log);
      else this.read(log);
    }
    log.listeners.add(listener);
    if (log.events.length) listener(log);
    return () => {
      log.listeners.delete(listener);
      if (log.listeners.size) return;
      this.feed.unwatch(`episode:${id}`);
      this.logs.delete(id);
    };
  }

  async read(log) {
    const wait = (error) => this.tell(log, `The server cannot be reached (${error.message}). Trying again.`);
    try {
      const { status } = await ask(`/episodes/${encodeURIComponent(log.id)}`, wait);
      this.add(log, await readEvents(log.id, log.events.length, wait));
      const isOver = !['waiting', 'playing'].includes(status);
      if (!log.ended && !isOver && log.listeners.size) this.watch(log);
      else if (!log.events.length) this.tell(log, `This game has no moves (${status}).`);
    } catch (error) {
      this.tell(log, error.message);
    }
  }

  watch(log) {
    this.feed.watch(`episode:${log.id}`, {
      event: (event) => this.add(log, [event]),
      resync: () => this.read(log),
    }, log.events.length);
  }

  add(log, events) {
    for (const event of events) if (event.n === log.events.length + 1) log.events.push(event);
    log.ended = log.events.at(-1)?.type === 'ended';
    if (log.ended) this.feed.unwatch(`episode:${log.id}`);
    this.tell(log, null);
  }

  tell(log, problem) {
    log.problem = problem;
    for (const listener of log.listeners) listener(log);
  }
}
