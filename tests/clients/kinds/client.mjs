// What all kinds of clients share: the log of what their library said, and waiting for a condition. A kind calls `note`
// for what its library emits and `changed` when anything else that a condition looks at may have changed.

import { isDeepStrictEqual } from "node:util";
import { codePoints } from "../document.mjs";

const DEFAULT_TIMEOUT_MS = 10_000;
// A long document is cut where an error tells of it.
const TOLD_CHARACTERS = 2000;

// How each condition of a `wait` reads the client.
const conditions = {
  synced: (client, wanted) => client.status().synced === wanted,
  connected: (client, wanted) => client.status().connected === wanted,
  ready: (client, wanted) => client.ready() === wanted,
  // At most: the oldest Hocuspocus provider counts below zero.
  unsynced: (client, most) => client.status().unsynced !== null && client.status().unsynced <= most,
  json: (client, wanted) => client.ready() && client.read().json === wanted,
  map: (client, wanted) => client.ready() && includes(client.map(), wanted),
  whole: (client, { roots, json }) => client.ready() && client.whole({ roots }).json === json,
  vector: (client, wanted) => client.ready() && isDeepStrictEqual(client.vector(), wanted),
  at: (client, { in: [field, ...tokens], is }) =>
    client.ready() && isDeepStrictEqual(tokens.reduce((found, token) => found?.[token], client.field(field)), is),
  length: (client, wanted) => client.ready() && codePoints(client.text()) === wanted,
  present: (client, wanted) => client.presences().others.some(({ state }) => isDeepStrictEqual(state, wanted)),
  others: (client, wanted) => client.presences().others.length === wanted,
  event: (_client, _wanted, watcher) => watcher.seen,
};

function includes(map, wanted) {
  return Object.entries(wanted).every(([key, value]) => isDeepStrictEqual(map[key], value));
}

function isEvent(event, wanted) {
  return typeof wanted === "string" ? event.event === wanted : includes(event, wanted ?? {});
}

export class Client {
  closes = [];
  #events = [];
  #watchers = new Set();
  #scheduled = false;

  note(event, details = {}) {
    const noted = { event, ...details };
    this.#events.push(noted);
    for (const watcher of this.#watchers) watcher.seen ||= isEvent(noted, watcher.until.event);
    this.changed();
  }

  noteClose(event) {
    const close = { code: event?.code ?? null, reason: event?.reason?.toString() ?? "" };
    this.closes.push(close);
    this.note("close", close);
  }

  // Conditions are looked at once a turn of the event loop, after the library has finished what it is doing.
  changed() {
    if (this.#scheduled || this.#watchers.size === 0) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      for (const watcher of [...this.#watchers]) this.#look(watcher);
    });
  }

  // Events that were told once are not told again.
  told() {
    return this.#events.splice(0);
  }

  // With `kill`, the process of that number is killed the moment that the condition holds.
  wait({ until, timeout = DEFAULT_TIMEOUT_MS, kill }) {
    const unknown = Object.keys(until).find((name) => !(name in conditions));
    if (unknown) throw new Error(`no such condition: ${unknown}`);
    return new Promise((resolve, reject) => {
      const seen = this.#events.some((event) => "event" in until && isEvent(event, until.event));
      const watcher = { until, seen, kill, resolve, reject };
      watcher.timer = setTimeout(() => this.#giveUp(watcher, `not within ${timeout} ms`), timeout);
      this.#watchers.add(watcher);
      this.#look(watcher);
    });
  }

  // For whoever waits on a client that is closed.
  dismiss() {
    for (const watcher of [...this.#watchers]) this.#giveUp(watcher, "the client was closed");
  }

  #look(watcher) {
    const holds = ([name, wanted]) => conditions[name](this, wanted, watcher);
    if (!Object.entries(watcher.until).every(holds)) return;
    this.#forget(watcher);
    if (watcher.kill !== undefined) process.kill(watcher.kill, "SIGKILL");
    watcher.resolve({});
  }

  #giveUp(watcher, why) {
    this.#forget(watcher);
    const was = { ...this.status(), events: this.#events, closes: this.closes, ...this.presences() };
    if (this.ready()) was.json = this.read().json.slice(0, TOLD_CHARACTERS);
    const error = new Error(`${why}: ${JSON.stringify(watcher.until)}; it was ${JSON.stringify(was)}`);
    watcher.reject(error);
  }

  #forget(watcher) {
    clearTimeout(watcher.timer);
    this.#watchers.delete(watcher);
  }
}
