// The same over HTTP: commands to copy that work against this very server.

import { h } from './dom.js';

export class Commands {
  constructor(list) {
    this.list = list;
    this.draw();
  }

  /** Name an evaluation and a game that there are; only the first time. */
  name(evaluation, episode) {
    if (this.episode) return;
    Object.assign(this, { evaluation, episode });
    this.draw();
  }

  draw() {
    const base = `${location.origin}/v1`;
    const body = '{"suite":"core-1","players":["baseline~safest~1"],"name":"From the command line"}';
    this.list.replaceChildren(...[
      ['See that it is up', `curl ${base}/health`],
      ['Have a player evaluated', `curl ${base}/evaluations -H 'Content-Type: application/json' -d '${body}'`],
      ['Follow the results', this.evaluation
        ? `curl '${base}/evaluations/${this.evaluation}/results?format=csv'` : `curl ${base}/evaluations`],
      ['Watch a game: its events after number n', this.episode
        ? `curl '${base}/episodes/${this.episode}/events?after=0'` : `curl ${base}/live`],
    ].map(([title, command]) => this.makeCommand(title, command)));
  }

  makeCommand(title, command) {
    const code = h('code', null, command);
    const copy = h('button', { type: 'button', 'aria-label': `Copy: ${title}`, onclick: async () => {
      try {
        await navigator.clipboard.writeText(command);
        copy.textContent = 'Copied';
      } catch {
        getSelection().selectAllChildren(code);
        copy.textContent = 'Selected';
      }
      setTimeout(() => { copy.textContent = 'Copy'; }, 2000);
    } }, 'Copy');
    return h('li', null, h('p', null, title), h('div', { class: 'command' }, h('pre', { tabindex: 0 }, code), copy));
  }
}
