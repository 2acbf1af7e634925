// The live feed: one socket; numbered logs of episodes, and topics that are a state.
//
// A frame may come twice, late or not at all. What is had already is dropped; what
// leaves a gap is held, and if the gap stays for two seconds the topic is watched
// again from the last number. Pings name what is here, so the server can heal the rest.

import { backoff } from './api.js';

const PING = 20_000;
const PONG = 10_000;
const GAP = 2_000;
const OFFLINE_AFTER = 4; // failed tries

export class LiveFeed {
  /** `onStatus(connecting | live | reconnecting | offline)`, `onError(message)`. */
  constructor(url, { onStatus, onError, onOpen }, makeSocket = (to) => new WebSocket(to)) {
    Object.assign(this, { url, onStatus, onError, onOpen, makeSocket });
    this.topics = new Map();
    this.tries = 0;
    this.wasLive = false;
  }

  start() {
    addEventListener('online', () => this.hurry());
    addEventListener('offline', () => this.socket?.close());
    addEventListener('pagehide', () => this.socket?.close());
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) return;
      if (this.isOpen()) this.ping();
      else this.hurry();
    });
    this.connect();
  }

  /** Follow a topic: `handler.event(event)` in order, or `handler.state(state)`;
   * `handler.resync(n)` when too much was missed: read it over REST, then watch again. */
  watch(topic, handler, after = 0) {
    clearTimeout(this.topics.get(topic)?.timer);
    this.topics.set(topic, { handler, last: after, held: new Map(), timer: 0 });
    this.ask(topic);
  }

  unwatch(topic) {
    clearTimeout(this.topics.get(topic)?.timer);
    if (this.topics.delete(topic)) this.send({ action: 'unwatch', topic });
  }

  isOpen() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  send(frame) {
    if (this.isOpen()) this.socket.send(JSON.stringify(frame));
  }

  ask(topic) {
    const { last } = this.topics.get(topic);
    this.send({ action: 'watch', topic, ...(topic.startsWith('episode:') && { after: last }) });
  }

  /** Do not wait for the next try. */
  hurry() {
    if (!this.retry) return;
    clearTimeout(this.retry);
    this.connect();
  }

  connect() {
    this.retry = 0;
    this.onStatus(this.wasLive ? 'reconnecting' : 'connecting');
    const socket = this.makeSocket(this.url);
    this.socket = socket;
    // A try that hangs is a failed one.
    const patience = setTimeout(() => socket.close(), PONG);
    socket.onopen = () => {
      clearTimeout(patience);
      this.tries = 0;
      this.wasLive = true;
      this.onStatus('live');
      for (const topic of this.topics.keys()) this.ask(topic);
      this.pinging = setInterval(() => this.ping(), PING);
      // Sockets are cut after two hours: take a new one before that.
      this.renewal = setTimeout(() => socket.close(), (105 + Math.random() * 10) * 60_000);
      this.onOpen();
    };
    socket.onmessage = (message) => {
      clearTimeout(this.watchdog);
      this.receive(JSON.parse(message.data));
    };
    socket.onclose = () => {
      if (socket !== this.socket) return;
      for (const timer of [patience, this.watchdog, this.renewal]) clearTimeout(timer);
      clearInterval(this.pinging);
      const offline = !navigator.onLine || this.tries >= OFFLINE_AFTER;
      this.onStatus(offline ? 'offline' : this.wasLive ? 'reconnecting' : 'connecting');
      this.retry = setTimeout(() => this.connect(), backoff(this.tries));
      this.tries += 1;
    };
  }

  ping() {
    const logs = [...this.topics].filter(([topic]) => topic.startsWith('episode:'));
    this.send({ action: 'ping', topics: Object.fromEntries(logs.map(([topic, { last }]) => [topic, last])) });
    // No answer: the socket is dead, though nobody said so.
    clearTimeout(this.watchdog);
    const { socket } = this;
    this.watchdog = setTimeout(() => socket.close(), PONG);
  }

  receive(frame) {
    const topic = this.topics.get(frame.topic);
    if (frame.type === 'error') this.onError(frame.message);
    else if (!topic) return;
    else if (frame.type === 'event') this.take(frame.topic, topic, frame.event);
    else if (frame.type === 'state') topic.handler.state(frame.state);
    else if (frame.type === 'resync') topic.handler.resync(topic.last);
    else if (frame.type === 'caught-up' && frame.n > topic.last) this.waitForGap(frame.topic, topic);
  }

  take(name, topic, event) {
    if (event.n <= topic.last) return;
    topic.held.set(event.n, event);
    for (let next; (next = topic.held.get(topic.last + 1));) {
      topic.held.delete(next.n);
      topic.last = next.n;
      topic.handler.event(next);
    }
    if (topic.held.size) {
      this.waitForGap(name, topic);
    } else {
      clearTimeout(topic.timer);
      topic.timer = 0;
    }
  }

  waitForGap(name, topic) {
    topic.timer ||= setTimeout(() => {
      topic.timer = 0;
      if (this.topics.get(name) === topic) this.ask(name);
    }, GAP);
  }
}
