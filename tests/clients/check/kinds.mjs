// What single kinds of clients have beyond the others, and what they are told of their tokens. Each scenario gets a driver,
// and the place of a server: its `url`, the token of a `writer`, and that of a `reader` where it knows such a thing. `refusal`
// is what a client of it reports that is not let in.

import assert from "node:assert/strict";
import { Driver } from "./process.mjs";
import { Pair, edits } from "./scenarios.mjs";

const { insert } = edits;

let documents = 0;
const newDocument = () => `own-${process.pid}-${(documents += 1)}`;

// How long something is waited for that must not come.
const NEVER_MS = 300;

const hocuspocus = {
  async "a wrong token is refused, another scope is told"(driver, { kind, url, writer, reader }) {
    const open = { kind, url, doc: newDocument() };
    await driver.do("open", "wrong", { ...open, token: "wrong" });
    await driver.wait("wrong", { event: "authenticationFailed" });
    await driver.do("open", "writer", { ...open, token: writer });
    await driver.wait("writer", { synced: true, unsynced: 0 });
    assert.equal((await driver.do("status", "writer")).scope, "read-write");
    await driver.do("open", "reader", { ...open, token: reader });
    await driver.wait("reader", { synced: true, unsynced: 0 });
    assert.equal((await driver.do("status", "reader")).scope, "readonly");
    await driver.do("edit", "reader", { edits: [insert(0, "no")] });
    await assert.rejects(driver.wait("reader", { unsynced: 0 }, NEVER_MS), /"unsynced":1/);
    await assert.rejects(driver.wait("writer", { length: 2 }, NEVER_MS));
  },

  async "clients share a socket and send stateless messages"(driver, { kind, url, writer }) {
    const [one, two] = [newDocument(), newDocument()];
    const open = { kind, url, token: writer, share: "one" };
    await driver.do("open", "first", { ...open, doc: one });
    await driver.do("open", "second", { ...open, doc: two });
    await driver.do("open", "third", { ...open, doc: one, share: undefined });
    await Promise.all(["first", "second", "third"].map((name) => driver.wait(name, { synced: true })));
    await driver.do("broadcast", "first", { data: "hello" });
    await driver.wait("third", { event: { event: "stateless", payload: "hello" } });
    await driver.do("disconnect", "first");
    await driver.wait("first", { connected: false });
    await driver.do("edit", "first", { edits: [insert(0, "apart")] });
    await driver.do("edit", "second", { edits: [insert(0, "still here")] });
    await driver.wait("second", { unsynced: 0 });
    await driver.do("connect", "first");
    await driver.wait("first", { connected: true, unsynced: 0 });
    await driver.wait("third", { length: 5 });
    await driver.do("close", "first");
    await driver.do("close", "second");
  },
};

// Version 4 alone tells apart two providers of one document on one socket.
const sessions = {
  async "two clients of one document share a socket"(driver, { kind, url, writer }) {
    const options = { sessionAwareness: true };
    const open = { kind, url, token: writer, share: "one", doc: newDocument(), options };
    await driver.do("open", "first", open);
    await driver.do("open", "second", open);
    await Promise.all(["first", "second"].map((name) => driver.wait(name, { synced: true })));
    await driver.do("edit", "first", { edits: [insert(0, "seen")] });
    await driver.wait("second", { length: 4 });
    await driver.wait("first", { unsynced: 0 });
  },
};

// Its protocol tells nobody that he may only read; what such a client writes stays with it.
async function onlyReads(driver, open, { writer, reader }) {
  // automerge-repo names the document itself.
  const { doc = open.doc } = await driver.do("open", "writer", { ...open, token: writer });
  await driver.wait("writer", { synced: true });
  await driver.do("open", "reader", { ...open, doc, token: reader });
  await driver.wait("reader", { ready: true, synced: true });
  await driver.do("edit", "reader", { edits: [insert(0, "no")] });
  await driver.do("edit", "writer", { edits: [insert(0, "written")] });
  await driver.wait("reader", { length: 9 });
  await assert.rejects(driver.wait("writer", { length: 9 }, NEVER_MS));
}

const yWebsocket = {
  async "a wrong token is refused"(driver, { kind, url, writer, refusal }) {
    const open = { kind, url, doc: newDocument() };
    await driver.do("open", "wrong", { ...open, token: "wrong" });
    await driver.wait("wrong", { event: refusal });
    await driver.do("open", "right", { ...open, token: writer });
    await driver.wait("right", { synced: true });
    assert.equal((await driver.do("status", "wrong")).connected, false);
  },

  async "who may only read sees everything and changes nothing"(driver, place) {
    if (place.reader) await onlyReads(driver, { kind: place.kind, url: place.url, doc: newDocument() }, place);
  },
};

const sockets = {
  async "subprotocols and query parameters are no obstacle"(driver, { kind, url, writer }) {
    const offered = { options: { protocols: ["one", "two"] }, params: { other: "a b&c=ü" } };
    await driver.do("open", "a", { kind, url, doc: newDocument(), token: writer, ...offered });
    await driver.wait("a", { connected: true, synced: true });
  },

  async "Node's own WebSocket serves as well"(_driver, { kind, url, writer }) {
    const pair = new Pair({ kind, url, token: writer, socket: "node" });
    await pair.open("a");
    await pair.open("b");
    await pair.edit("a", insert(0, "abc"));
    await pair.together(3);
    await pair.stop();
  },
};

const ySweet = {
  async "a wrong token is refused, another scope is told"(driver, { kind, url, writer, reader }) {
    const open = { kind, url, doc: newDocument() };
    await driver.do("open", "wrong", { ...open, token: "wrong" });
    await driver.wait("wrong", { event: "tokenFailed" });
    await onlyReads(driver, open, { writer, reader });
    const scopes = ["writer", "reader"].map(async (name) => (await driver.do("status", name)).scope);
    assert.deepEqual(await Promise.all(scopes), ["full", "read-only"]);
  },
};

const automerge = {
  async "a wrong token is refused, an absent document unavailable"(driver, { kind, url, writer, refusal }) {
    const open = { kind, url };
    await driver.do("open", "wrong", { ...open, token: "wrong" });
    await driver.wait("wrong", { event: refusal });
    const absent = { ...open, token: writer, doc: "automerge:2j9knpCseyhnK8izDmLpGP5WMdZQ" };
    await driver.do("open", "absent", absent);
    await driver.wait("absent", { event: "unavailable" });
    const { docState, peers } = await driver.do("status", "absent");
    assert.deepEqual([docState, peers.length], ["unavailable", 1]);
  },

  async "messages of the application's own arrive"(_driver, { kind, url, writer }) {
    const pair = new Pair({ kind, url, token: writer });
    await pair.open("a");
    await pair.open("b");
    await pair.do("a", "broadcast", { data: { hello: [1, 2] } });
    await pair.wait("b", { event: "ephemeral" });
    const { events } = await pair.do("b", "status");
    const [{ data }] = events.filter(({ event }) => event === "ephemeral");
    assert.deepEqual(data, { hello: [1, 2] });
    await pair.stop();
  },

  async "who may only read sees everything and changes nothing"(driver, { kind, url, writer, reader }) {
    if (!reader) return;
    await onlyReads(driver, { kind, url }, { writer, reader });
    await assert.rejects(driver.wait("reader", { unsynced: 0 }, NEVER_MS), /"unsynced":1/);
  },
};

export const own = {
  "y-websocket": { ...yWebsocket, ...sockets },
  "y-websocket-2": { ...yWebsocket, ...sockets },
  pycrdt: yWebsocket,
  hocuspocus: { ...hocuspocus, ...sessions },
  "hocuspocus-3": hocuspocus,
  "hocuspocus-2": hocuspocus,
  "y-sweet": ySweet,
  automerge,
};

// Runs one; what the libraries complained of by themselves comes back.
export async function play(scenario, place) {
  const driver = new Driver(place.file);
  await scenario(driver, place);
  await driver.stop();
  return driver.reports;
}
