// What every kind of client must manage with a server that it was made for. Each scenario gets a `place`: where the
// server is, how clients of that kind are opened, and what the kind has.

import assert from "node:assert/strict";
import { Driver } from "./process.mjs";

let rooms = 0;

// Two clients of a kind, `a` and `b`, that have opened one document, each in a process of its own.
export class Pair {
  drivers = {};

  constructor(place) {
    this.place = place;
    this.isAutomerge = place.kind === "automerge";
    // An automerge client that opens no document makes one; whoever comes later asks for that one.
    this.doc = this.isAutomerge ? undefined : `room-${process.pid}-${(rooms += 1)}`;
  }

  // What opens a client of this kind at this place.
  get request() {
    const { file: _, ...request } = this.place;
    return { ...request, doc: this.doc };
  }

  async open(name, extra = {}) {
    this.drivers[name] = new Driver(this.place.file);
    const { doc } = await this.do(name, "open", { ...this.request, ...extra });
    this.doc ??= doc;
    await this.wait(name, { connected: true, ready: true, synced: true });
  }

  do(name, what, fields) {
    return this.drivers[name].do(what, name, fields);
  }

  edit(name, ...edits) {
    return this.do(name, "edit", { edits });
  }

  wait(name, until, timeout) {
    return this.drivers[name].wait(name, until, timeout);
  }

  async read(name) {
    return JSON.parse((await this.do(name, "read")).json);
  }

  // Until both hold a text of this length; what they hold is then the same. Updates arrive in the order in which they were made,
  // not all at once: the text has to be what each changed last.
  async together(length) {
    await Promise.all([this.wait("a", { length }), this.wait("b", { length })]);
    const [one, other] = [await this.do("a", "read"), await this.do("b", "read")];
    assert.equal(one.json, other.json);
    return JSON.parse(one.json);
  }

  // Nothing may have gone wrong that nobody asked about.
  async stop() {
    for (const driver of Object.values(this.drivers)) {
      await driver.stop();
      assert.deepEqual(driver.reports, [], "errors that no request caused");
      assert.doesNotMatch(driver.errors, /Yjs was already imported/);
    }
  }
}

const insert = (at, value) => ({ op: "insert", at, value });
const remove = (at, count) => ({ op: "delete", at, count });
const set = (key, value, shared) => ({ op: "set", key, value, shared });
const push = (at, ...values) => ({ op: "push", at, values });

export const scenarios = {
  async "concurrent edits converge"(pair) {
    await pair.open("a");
    await pair.edit("a", insert(0, "🙂 one"), set("kept", { z: 1, a: [true, null] }), set("gone", 1), push(0, "x"));
    await pair.open("b");
    await pair.together(5);
    await Promise.all([
      pair.edit("a", insert(1, "éé"), remove(3, 1), { op: "unset", key: "gone" }, push(9, 1.5, [2])),
      pair.edit("b", insert(99, " two"), set("both", "b"), { op: "pull", at: 0, count: 1 }),
    ]);
    const document = await pair.together(10);
    assert.deepEqual(document, {
      list: [1.5, [2]],
      map: { kept: { z: 1, a: [true, null] }, both: "b" },
      text: "🙂ééone two",
    });
  },

  async "edits made offline arrive afterwards"(pair) {
    await pair.open("a");
    await pair.open("b");
    await pair.do("a", "disconnect");
    await pair.wait("a", { connected: false });
    await pair.edit("a", set("a", 1), push(0, "a"));
    await pair.edit("a", insert(0, "offline "));
    await pair.edit("b", set("b", 2, true), push(0, "b"));
    await pair.edit("b", insert(0, "online "));
    assert.deepEqual((await pair.read("a")).text, "offline ");
    await pair.do("a", "connect");
    const document = await pair.together(15);
    assert.deepEqual(document.map, { a: 1, b: 2 });
    assert.deepEqual(document.list.toSorted(), ["a", "b"]);
    await pair.wait("a", { connected: true, synced: true });
  },

  async "presence is seen and goes with its client"(pair) {
    await pair.open("a", { presence: { name: "a" } });
    await pair.open("b", { presence: { name: "b" } });
    await pair.wait("b", { others: 1 });
    await pair.wait("a", { others: 1 });
    await pair.do("a", "presence", { state: { name: "a", at: 3 } });
    for (let seen = {}; seen.at !== 3; ) [{ state: seen }] = (await pair.do("b", "presences")).others;
    await pair.do("a", "close");
    await pair.wait("b", { others: 0 });
  },

  async "presence can be left and taken up again"(pair) {
    await pair.open("a", { presence: { name: "a" } });
    await pair.open("b", { presence: { name: "b" } });
    await pair.wait("b", { others: 1 });
    await pair.do("a", "presence", { state: null });
    await pair.wait("b", { others: 0 });
    await pair.do("a", "presence", { state: { name: "again" } });
    await pair.wait("b", { others: 1 });
  },

  async "the state of one document fills another"(pair) {
    await pair.open("a");
    await pair.edit("a", insert(0, "copied"), set("n", { deep: [1] }));
    const { state, vector } = await pair.do("a", "state");
    assert.equal(typeof state, "string");
    await pair.open("b");
    await pair.together(6);
    assert.deepEqual((await pair.do("b", "state")).vector, vector);
    const roots = { text: "text", map: "map", list: "array" };
    assert.equal((await pair.do("b", "whole", { roots })).json, (await pair.do("b", "read")).json);
    const copy = new Pair(pair.place);
    await copy.open("a");
    await copy.do("a", "load", { update: state });
    // An automerge document has a text of its own already, and either may win.
    const { json } = await copy.do("a", "read");
    await copy.open("b");
    await copy.wait("b", { json });
    await copy.stop();
  },

  async "a wait that is not met says what was"(pair) {
    await pair.open("a");
    await pair.edit("a", insert(0, "abc"));
    await assert.rejects(pair.wait("a", { length: 4 }, 50), /not within 50 ms.*"connected":true.*abc/);
    await assert.rejects(pair.do("a", "nonsense"), /no such/);
    await pair.wait("a", { json: (await pair.do("a", "read")).json });
    // What a server says of the edit when it has kept it is told before, not between the questions.
    await pair.wait("a", { synced: true });
    const told = (await pair.do("a", "status")).events.map(({ event }) => event);
    assert.ok(told.length > 0);
    assert.deepEqual((await pair.do("a", "status")).events, []);
    const closing = assert.rejects(pair.wait("a", { others: 3 }), /closed/);
    await pair.do("a", "close");
    await closing;
  },

  async "many clients in one process"(pair) {
    await pair.open("a");
    const driver = pair.drivers.a;
    const names = ["c", "d", "e"];
    const open = pair.request;
    // Requests that follow `open` at once are kept until the client is there.
    await Promise.all(names.flatMap((name) => [driver.do("open", name, open), driver.wait(name, { connected: true })]));
    await Promise.all(names.map((name) => driver.wait(name, { ready: true, synced: true })));
    await Promise.all(names.map((name) => driver.do("edit", name, { edits: [insert(0, name)] })));
    await Promise.all(["a", ...names].map((name) => driver.wait(name, { length: 3 })));
    await assert.rejects(driver.do("open", "c", open), /open already/);
  },
};

export const edits = { insert, remove, set, push };
