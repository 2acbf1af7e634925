// Drives the page of a running server in Chromium: `node page.mjs http://localhost:8000`.
//
// Prints a line for each thing that holds. "restart" asks whoever started this to kill
// the server and start it again, and then to answer with a line.

import assert from 'node:assert/strict';
import { createInterface } from 'node:readline';

import { chromium } from 'playwright-core';

const PATIENCE = 30_000;
const ARGUMENTS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>';

const base = process.argv[2];
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ARGUMENTS });
const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
context.setDefaultTimeout(PATIENCE);

const wrong = [];
let isAway = false; // the browser complains of a server that is gone, as it should

async function openPage() {
  const page = await context.newPage();
  page.on('pageerror', (error) => wrong.push(`error: ${error.message}`));
  page.on('console', (message) => {
    const isComplaint = message.type() === 'error' || message.type() === 'warning';
    if (isComplaint && !isAway) wrong.push(`${message.type()}: ${message.text()}`);
  });
  await page.addInitScript(() => {
    Math.random = () => 0; // always the same task to play
    addEventListener('securitypolicyviolation', (event) => {
      console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`);
    });
  });
  return page;
}

const page = await openPage();
const hasStatus = (status) => page.waitForSelector(`[data-status=${status}] #status`);
const shows = (selector, text) => page.locator(selector, { hasText: text }).first().waitFor();

async function checkWall() {
  await page.goto(base);
  await hasStatus('live');
  await page.waitForSelector('#wall .badge.live');
  await page.waitForSelector('#wall .board');
  await page.waitForSelector('#wall .grade .chip');
}

async function checkLeaderboards() {
  await page.waitForSelector('#boards tbody .bar');
  await shows('#boards figcaption', 'Minesweeper');
  const heads = await page.locator('#boards thead').first().innerText();
  assert.match(heads, /Win rate/);
}

async function checkRestart() {
  isAway = true;
  console.log('restart');
  await page.waitForSelector(':not([data-status=live]) > header #status');
  await answers.next();
  await hasStatus('live');
  isAway = false;
  const name = 'After the restart';
  const made = await context.request.post(`${base}/v1/evaluations`, {
    data: { suite: 'core-1', players: ['baseline~random~1'], name },
  });
  assert.equal(made.status(), 202);
  await shows('#evaluation-list', name);
  const { id } = await made.json();
  await page.waitForFunction((title) => {
    const item = document.querySelector(`#evaluation-list b[title="${title}"]`).closest('li');
    return item.querySelector('progress').value > 0;
  }, id);
}

async function checkReplay() {
  await page.locator('#evaluation-list summary').last().click();
  const finished = page.locator('.games a', { hasText: /Minesweeper.*(won|lost)/ });
  await finished.first().click();
  await page.waitForSelector('#game .board');
  await shows('#game .steps', 'Ended');
  const slider = page.locator('#game input[type=range]');
  const total = Number(await slider.getAttribute('max'));
  assert.ok(total >= 3, 'an opening, a move and an end');
  assert.equal(await slider.inputValue(), String(total));
  const looks = () => page.locator('#game .mines').innerHTML();
  const end = await looks();
  await slider.fill('1');
  assert.match(await page.locator('#game .happened').innerText(), /Opening/);
  assert.notEqual(await looks(), end);
  assert.ok(await page.locator('#game .mines [class*="shut h"]').count(), 'the odds are drawn');
  await page.locator('#game h2').focus();
  await page.keyboard.press('ArrowRight');
  assert.equal(await slider.inputValue(), '2');
  await page.waitForURL(/#\/episode\/ep_[0-9a-f]+\/2$/);
  await page.locator('#game .steps button').first().click();
  assert.equal(await slider.inputValue(), '1');
  await page.keyboard.press('End');
  assert.equal(await looks(), end);
  // The address alone leads to the same place.
  await page.waitForURL(/\/[3-9][0-9]*$|\/[12][0-9]+$/);
  await page.evaluate(() => location.assign('#/'));
  await page.waitForSelector('#home:not([hidden])');
  await page.goBack();
  await page.waitForSelector('#game .board');
  await page.evaluate(() => location.assign('#/'));
}

const closed = () => page.locator('#table button.shut');
const startPlay = async () => {
  await page.locator('#table .primary').click();
  await shows('#table [role=status]', 'The opening is played.');
};

async function checkPlay() {
  await startPlay();
  while (!(await page.locator('.grades li').count())) {
    const before = await page.locator('#table .mines').innerHTML();
    await closed().first().click();
    await page.waitForFunction((was) => document.querySelector('#table .mines').innerHTML !== was
      || document.querySelector('.grades li'), before);
  }
  const [mines, height] = await page.evaluate(async () => {
    const id = document.querySelector('#table a').getAttribute('href').split('/').pop();
    const { items } = await (await fetch(`/v1/episodes/${id}/events`)).json();
    return [items.at(-1).truth.mines, items[0].view.rows.length];
  });
  assert.equal(height, 9);
  const isMine = new Set(mines.map(([row, column]) => row * 9 + column));
  // The same task once more: now it is known what is safe.
  await startPlay();
  const cells = page.locator('#table .mines button');
  const safe = async () => {
    const looks = await cells.evaluateAll((all) => all.map((cell) => cell.className));
    return looks.flatMap((look, index) => (look.startsWith('shut') && !isMine.has(index) ? [index] : []));
  };
  const near = (a, b) => Math.abs(Math.floor(a / 9) - Math.floor(b / 9)) < 2 && Math.abs((a % 9) - (b % 9)) < 2;
  // Opened behind the page's back: a cell with a mine beside it opens no others.
  const aside = (await safe()).find((index) => [...isMine].some((mine) => near(index, mine)));
  await page.evaluate(async (index) => {
    const { id, step, token } = JSON.parse(sessionStorage.getItem('tilts-play'));
    const move = { reveal: [{ row: Math.floor(index / 9), column: index % 9 }] };
    await fetch(`/v1/episodes/${id}/moves`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ step, move, token }),
    });
  }, aside);
  isAway = true; // the browser notes each refusal
  await cells.nth(aside).click();
  await shows('#table [role=status]', 'the next step is 2');
  await cells.nth(aside).click();
  await shows('#table [role=status]', /open|hidden/);
  isAway = false;
  let left = (await safe()).filter((index) => index !== aside);
  for (; left.length; left = await safe()) {
    const was = await page.locator('#table .mines').innerHTML();
    await cells.nth(left[0]).click();
    await page.waitForFunction((before) => document.querySelector('#table .mines').innerHTML !== before, was);
  }
  await shows('#table [role=status]', 'You won.');
  assert.ok((await page.locator('.grades li').count()) >= 2);
}

async function checkHostileText() {
  const found = await page.evaluate(async (hostile) => {
    const { Follow } = await import('/follow.js');
    const { makeTable } = await import('/leaderboards.js');
    const section = document.createElement('section');
    document.body.append(section);
    const view = { rows: ['#1'], mines: 1 };
    const interval = { estimate: 0, low: null, high: null, n: 1, method: hostile, level: 0.95 };
    const events = [
      { n: 1, type: 'started', view, insight: null, player: hostile, oracle: hostile, task: { game: 'MS-I', variant: hostile, id: hostile } },
      { n: 2, type: 'attempted', step: 1, try: 1, failure: hostile, complaint: hostile, said: hostile },
      { n: 3, type: 'forfeited', step: 1, reason: hostile },
    ];
    const log = { id: hostile, events, ended: false, problem: null };
    const follow = new Follow(section, { open: (id, listener) => listener(log) });
    follow.open(hostile, 2);
    section.append(makeTable({ id: hostile, suite: hostile, game: hostile, metric: 'win_rate', about: hostile, weights: {},
      rows: [{ player: hostile, status: 'complete', primary: interval, forfeits: interval, variants: {} }] }));
    await new Promise((done) => setTimeout(done, 100));
    const answer = {
      elements: section.querySelectorAll('img, script').length,
      said: section.querySelector('.said').textContent,
      hacked: window.hacked,
    };
    section.remove();
    return answer;
  }, HOSTILE);
  assert.deepEqual(found, { elements: 0, said: HOSTILE, hacked: undefined });
}

async function checkFeed() {
  const { seen, sent } = await page.evaluate(async () => {
    const { LiveFeed } = await import('/live-feed.js');
    const sent = [];
    const seen = [];
    const socket = { readyState: WebSocket.OPEN, send: (text) => sent.push(JSON.parse(text)), close() {} };
    const feed = new LiveFeed('ws://none', { onStatus() {}, onError() {}, onOpen() {} }, () => socket);
    feed.connect();
    socket.onopen();
    const topic = 'episode:e';
    feed.watch(topic, { event: (event) => seen.push(event.n), resync: (n) => seen.push(`resync ${n}`) });
    const give = (n) => socket.onmessage({ data: JSON.stringify({ type: 'event', topic, n, event: { n } }) });
    [1, 1, 3, 2, 2, 3, 6].forEach(give);
    await new Promise((done) => setTimeout(done, 2500));
    [4, 5, 6].forEach(give);
    socket.onmessage({ data: JSON.stringify({ type: 'resync', topic }) });
    feed.ping();
    clearTimeout(feed.watchdog);
    clearInterval(feed.pinging);
    return { seen, sent };
  });
  assert.deepEqual(seen, [1, 2, 3, 4, 5, 6, 'resync 6']);
  assert.deepEqual(sent, [
    { action: 'watch', topic: 'episode:e', after: 0 },
    { action: 'watch', topic: 'episode:e', after: 3 },
    { action: 'ping', topics: { 'episode:e': 6 } },
  ]);
}

async function checkPhone() {
  const episode = await page.locator('.games a').first().getAttribute('href');
  await page.close();
  const phone = await openPage();
  for (const width of [390, 320]) {
    await phone.setViewportSize({ width, height: 844 });
    for (const [path, selector] of [['/', '#boards .bar'], [`/${episode}`, '#game .board']]) {
      await phone.goto(`${base}${path}`);
      await phone.waitForSelector(selector);
      const [whole, seen] = await phone.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
      assert.ok(whole <= seen, `${path} is ${whole} wide on ${width}`);
    }
  }
}

const CHECKS = {
  'a board is played live': checkWall,
  'leaderboards fill': checkLeaderboards,
  'a restarted server is taken up again': checkRestart,
  'an ended game is scrubbed': checkReplay,
  'one can play': checkPlay,
  'hostile text stays text': checkHostileText,
  'the feed is put in order': checkFeed,
  'a phone needs no sideways scrolling': checkPhone,
};

let status = 0;
try {
  for (const [name, check] of Object.entries(CHECKS)) {
    await check();
    assert.deepEqual(wrong, [], name);
    console.log(`ok: ${name}`);
  }
} catch (error) {
  console.log(`failed: ${error.stack}`);
  if (wrong.length) console.log(wrong.join('\n'));
  if (!page.isClosed()) console.log(await page.locator('body').innerText());
  status = 1;
}
await browser.close();
process.exit(status);
