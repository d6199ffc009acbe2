// What single kinds of clients have beyond the others, tried with the servers that they were made for.

import assert from "node:assert/strict";
import { Driver, startServer, withFolder, withServer } from "./process.mjs";
import { Pair, edits } from "./scenarios.mjs";

const { insert, set } = edits;

// A server that is stopped and started again on its port and its files: clients see the end, come back by themselves,
// and what was stored is there. Some must be told to connect again, and some cannot bear how a server takes its leave.
export function restart(server, place, { comesBack = true, killed = false } = {}) {
  return () =>
    withFolder(async (folder) => {
      const first = await startServer(server, "--data", folder);
      const pair = new Pair({ ...place, url: first.url });
      await pair.open("a");
      await pair.edit("a", insert(0, "kept"), set("k", 1));
      await pair.open("b");
      await pair.together(4);
      await (killed ? first.kill() : first.stop());
      await pair.wait("a", { connected: false });
      await pair.edit("a", insert(4, " offline"));
      const second = await startServer(server, "--data", folder, "--port", String(first.port));
      if (!comesBack) for (const name of ["a", "b"]) await pair.do(name, "connect");
      await Promise.all(["a", "b"].map((name) => pair.wait(name, { connected: true }, 20_000)));
      assert.equal((await pair.together(12)).text, "kept offline");
      const [close] = (await pair.do("a", "status")).closes;
      assert.ok(close.code >= 1000, JSON.stringify(close));
      await pair.stop();
      await second.stop();
    });
}

// Stored documents are there for a client that comes only after everybody has left and the server was started anew.
export function stored(server, place) {
  return () =>
    withFolder(async (folder) => {
      const first = await startServer(server, "--data", folder);
      const pair = new Pair({ ...place, url: first.url });
      await pair.open("a");
      await pair.edit("a", insert(0, "stored"));
      await pair.open("b");
      await pair.together(6);
      await pair.stop();
      await first.stop();
      const second = await startServer(server, "--data", folder);
      const later = new Pair({ ...place, url: second.url });
      later.doc = pair.doc;
      await later.open("a");
      await later.wait("a", { length: 6 });
      await later.stop();
      await second.stop();
    });
}

// One client at a server that wants the token "secret" (and takes "reader" for reading).
async function withToken(server, body) {
  const guarded = await startServer(server, "--token", "secret", "--read-token", "reader");
  const driver = new Driver();
  await body(driver, guarded.url);
  await driver.stop();
  await guarded.stop();
  return driver.reports;
}

export const hocuspocus = (kind) => ({
  "a wrong token is refused, another scope is told": () =>
    withToken("hocuspocus", async (driver, url) => {
      const open = { kind, url, doc: "guarded" };
      await driver.do("open", "wrong", { ...open, token: "wrong" });
      await driver.wait("wrong", { event: "authenticationFailed" });
      await driver.do("open", "writer", { ...open, token: "secret" });
      await driver.wait("writer", { synced: true, unsynced: 0 });
      assert.equal((await driver.do("status", "writer")).scope, "read-write");
      await driver.do("open", "reader", { ...open, token: "reader" });
      await driver.wait("reader", { synced: true, unsynced: 0 });
      assert.equal((await driver.do("status", "reader")).scope, "readonly");
      await driver.do("edit", "reader", { edits: [insert(0, "no")] });
      await assert.rejects(driver.wait("reader", { unsynced: 0 }, 300), /"unsynced":1/);
      await assert.rejects(driver.wait("writer", { length: 2 }, 300));
    }),

  "clients share a socket and send stateless messages": () =>
    withToken("hocuspocus", async (driver, url) => {
      const open = { kind, url, token: "secret", share: "one" };
      await driver.do("open", "first", { ...open, doc: "one" });
      await driver.do("open", "second", { ...open, doc: "two" });
      await Promise.all(["first", "second"].map((name) => driver.wait(name, { synced: true })));
      await driver.do("broadcast", "first", { data: "hello" });
      await driver.wait("first", { event: { event: "stateless", payload: "hello" } });
      await driver.do("disconnect", "first");
      await driver.wait("first", { connected: false });
      await driver.do("edit", "first", { edits: [insert(0, "apart")] });
      await driver.do("edit", "second", { edits: [insert(0, "still here")] });
      await driver.wait("second", { unsynced: 0 });
      await driver.do("connect", "first");
      await driver.wait("first", { connected: true, unsynced: 0 });
      await driver.do("open", "third", { ...open, doc: "one", share: undefined });
      await driver.wait("third", { length: 5 });
      await driver.do("close", "first");
      await driver.do("close", "second");
    }),
});

// Version 4 alone tells apart two providers of one document on one socket.
export const sessions = {
  "two clients of one document share a socket": () =>
    withToken("hocuspocus", async (driver, url) => {
      const options = { sessionAwareness: true };
      const open = { kind: "hocuspocus", url, token: "secret", share: "one", doc: "one", options };
      await driver.do("open", "first", open);
      await driver.do("open", "second", open);
      await Promise.all(["first", "second"].map((name) => driver.wait(name, { synced: true })));
      await driver.do("edit", "first", { edits: [insert(0, "seen")] });
      await driver.wait("second", { length: 4 });
      await driver.wait("first", { unsynced: 0 });
    }),
};

export const yWebsocket = (kind) => ({
  "a wrong token is refused": () =>
    withToken("y-websocket", async (driver, url) => {
      await driver.do("open", "wrong", { kind, url, doc: "guarded", token: "wrong" });
      await driver.wait("wrong", { event: "connection-error" });
      await driver.do("open", "right", { kind, url, doc: "guarded", token: "secret" });
      await driver.wait("right", { synced: true });
      assert.equal((await driver.do("status", "wrong")).connected, false);
      await assert.rejects(driver.do("broadcast", "right", { data: 1 }), /no messages/);
    }),

  "Node's own WebSocket serves as well": () =>
    withServer("y-websocket", async (url) => {
      const pair = new Pair({ kind, url, socket: "node" });
      await pair.open("a");
      await pair.open("b");
      await pair.edit("a", insert(0, "abc"));
      await pair.together(3);
      await pair.stop();
    }),
});

export const automerge = {
  "a wrong token is refused, an absent document unavailable": async () => {
    const reports = await withToken("automerge", async (driver, url) => {
      const open = { kind: "automerge", url };
      await driver.do("open", "wrong", { ...open, token: "wrong" });
      await driver.wait("wrong", { event: "connection-error" });
      const absent = { ...open, token: "secret", doc: "automerge:2j9knpCseyhnK8izDmLpGP5WMdZQ" };
      await driver.do("open", "absent", absent);
      await driver.wait("absent", { event: "unavailable" });
      const { docState, peers } = await driver.do("status", "absent");
      assert.deepEqual([docState, peers], ["unavailable", ["storage-server"]]);
    });
    // What the library throws at a refused connection.
    assert.match(reports[0].error, /401/);
  },

  "messages of the application's own arrive": () =>
    withServer("automerge", async (url) => {
      const pair = new Pair({ kind: "automerge", url });
      await pair.open("a");
      await pair.open("b");
      await pair.do("a", "broadcast", { data: { hello: [1, 2] } });
      await pair.wait("b", { event: "ephemeral" });
      const { events } = await pair.do("b", "status");
      const [{ data }] = events.filter(({ event }) => event === "ephemeral");
      assert.deepEqual(data, { hello: [1, 2] });
      await pair.stop();
    }),
};
