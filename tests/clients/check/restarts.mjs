// Servers that go and come back, and what they have stored: tried with servers of other people, which this starts itself.

import assert from "node:assert/strict";
import { startServer, withFolder } from "./process.mjs";
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
