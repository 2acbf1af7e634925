// REST: JSON in and out, problems as errors, patience with a server that is away.

const BASE = '/v1';

/** What the server refused, in its own words. */
export class ProblemError extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `The server answered ${status}.`);
    this.status = status;
    this.problem = problem;
  }
}

export async function call(path, body) {
  const request = body === undefined ? {} : {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify(body),
  };
  const reply = await fetch(BASE + path, { ...request, signal: AbortSignal.timeout(20_000) });
  const value = await reply.json().catch(() => ({}));
  if (!reply.ok) throw new ProblemError(reply.status, value);
  return value;
}

export const isPassing = (error) =>
  !(error instanceof ProblemError) || error.status >= 500 || error.status === 429;

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Milliseconds to wait before try `tries` + 1: doubled each time, then blurred. */
export const backoff = (tries, first = 500, most = 15_000) =>
  Math.min(most, first * 2 ** tries) * (0.5 + Math.random() / 2);

/** Ask until there is an answer; only a refusal that will stay one is thrown. */
export async function ask(path, onWait = () => {}) {
  for (let tries = 0; ; tries += 1) {
    try {
      return await call(path);
    } catch (error) {
      if (!isPassing(error)) throw error;
      onWait(error);
      await sleep(backoff(tries, 1000));
    }
  }
}

/** All events of an episode after n, page by page. */
export async function readEvents(episode, after = 0, onWait) {
  const events = [];
  for (let more = true; more;) {
    const page = await ask(`/episodes/${encodeURIComponent(episode)}/events?after=${after}`, onWait);
    events.push(...page.items);
    ({ last: after, more } = page);
  }
  return events;
}
