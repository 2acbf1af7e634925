// The page: its parts, and which of its two views the address asks for.

import { Commands } from './commands.js';
import { byId, setText } from './dom.js';
import { Episodes } from './episodes.js';
import { Evaluations } from './evaluations.js';
import { Follow } from './follow.js';
import { Leaderboards } from './leaderboards.js';
import { LiveFeed } from './live-feed.js';
import { Play } from './play.js';
import { Wall } from './wall.js';

const STATUS = { connecting: 'Connecting …', live: 'Live', reconnecting: 'Reconnecting …', offline: 'Offline; still trying' };

const feed = new LiveFeed(`${location.origin.replace(/^http/, 'ws')}/v1/socket`, {
  onStatus(status) {
    document.body.dataset.status = status;
    setText(byId('status'), STATUS[status]);
  },
  onError(message) {
    setText(byId('notice'), `The live feed says: ${message}`);
    setTimeout(() => setText(byId('notice'), ''), 10_000);
  },
  onOpen() {
    evaluations.refresh();
    leaderboards.refresh();
  },
});
const episodes = new Episodes(feed);
const leaderboards = new Leaderboards(byId('boards'), byId('boards-note'));
const evaluations = new Evaluations(byId('evaluation-list'), byId('evaluations-note'), feed, () => leaderboards.refresh());
const wall = new Wall(byId('wall'), byId('wall-note'), episodes,
  ({ evaluation, id }) => commands.name(evaluation, id));
const follow = new Follow(byId('game'), episodes);
const commands = new Commands(byId('commands'));
new Play(byId('table'));

const known = new Set(); // evaluations that were seen in progress

feed.watch('live', {
  state(live) {
    wall.take(live);
    const before = known.size;
    for (const { evaluation } of live.episodes) known.add(evaluation);
    if (known.size > before) evaluations.refresh();
  },
});
feed.start();
// A short evaluation may come and go between two snapshots of what is live.
setInterval(() => document.hidden || !feed.isOpen() || evaluations.refresh(), 10_000);
// Also when the feed cannot be had at all.
evaluations.refresh();
leaderboards.refresh();

let scroll = 0;

function route() {
  const [, id, n] = location.hash.match(/^#\/episode\/([^/]+)(?:\/(\d+))?$/) ?? [];
  const wasHome = !byId('home').hidden;
  if (id && wasHome) scroll = scrollY;
  byId('home').hidden = Boolean(id);
  byId('game').hidden = !id;
  if (id) {
    follow.open(decodeURIComponent(id), Number(n) || null);
    if (wasHome) scrollTo(0, 0);
    return;
  }
  follow.leave();
  document.title = 'Tilts: every move graded';
  if (wasHome) return;
  const part = location.hash.length > 2 && byId(location.hash.slice(1));
  if (part) part.scrollIntoView();
  else scrollTo(0, scroll);
}

addEventListener('hashchange', route);
route();
