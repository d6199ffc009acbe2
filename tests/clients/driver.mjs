// Other people's clients, driven by JSON lines: one request a line on standard input, one answer a line on standard
// output, `{"id":1,"do":"open",…}` and `{"id":1,"ok":true,…}` or `{"id":1,"ok":false,"error":"…"}`. One process holds
// any number of named clients. Errors that no request caused come as `{"event":"error","error":"…"}`.

import { describe, eachLine, say } from "./lines.mjs";

// The library of a kind is loaded with the first client of it.
const kinds = {
  "y-websocket": async () => (await import("./kinds/y-websocket.mjs")).YWebsocketClient,
  hocuspocus: async () => (await import("./kinds/hocuspocus.mjs")).HocuspocusClient,
  "y-sweet": async () => (await import("./kinds/y-sweet.mjs")).YSweetClient,
  automerge: async () => (await import("./kinds/automerge.mjs")).AutomergeClient,
};

// Older versions of a library are kinds of their own, named with their number.
const family = (kind) => kind.replace(/-\d$/, "");

// Clients by name, as promises: a request that follows `open` at once finds its client.
const clients = new Map();

const unknown = { connected: null, synced: null, unsynced: null, scope: null, peers: null, docState: null };

async function open(request) {
  const kind = kinds[family(request.kind)];
  if (!kind) throw new Error(`no such kind of client: ${request.kind}`);
  const Kind = await kind();
  return new Kind(request);
}

const requests = {
  edit: (client, request) => client.edit(request),
  read: (client) => client.read(),
  reread: (client) => client.reread(),
  load: (client, request) => client.load(request),
  state: (client) => client.state(),
  whole: (client, request) => client.whole(request),
  status: (client) => ({ ...unknown, ...client.status(), closes: client.closes, events: client.told() }),
  disconnect: (client) => client.disconnect(),
  connect: (client) => client.connect(),
  presence: (client, request) => client.presence(request),
  presences: (client) => client.presences(),
  broadcast: (client, request) => client.broadcast(request),
  holding: (client) => client.holding(),
  follow: (client, request) => client.follow(request),
  wait: (client, request) => client.wait(request),
};

async function answer(request) {
  const { do: what, client: name } = request;
  if (what === "open") {
    if (clients.has(name)) throw new Error(`${name} is open already`);
    const opening = open(request);
    clients.set(name, opening);
    opening.catch(() => clients.delete(name));
    return (await opening).opened();
  }
  if (!clients.has(name)) throw new Error(`no such client: ${name}`);
  const client = await clients.get(name);
  if (what === "close") {
    clients.delete(name);
    return client.close();
  }
  if (!requests[what]) throw new Error(`no such request: ${what}`);
  return requests[what](client, request);
}

async function serve(line) {
  let id;
  try {
    const request = JSON.parse(line);
    id = request.id;
    say({ id, ok: true, ...(await answer(request)) });
  } catch (error) {
    say({ id: id ?? null, ok: false, error: describe(error) });
  }
}

// A library that fails on its own must not end the process: the test is told and goes on.
const report = (error) => say({ event: "error", error: describe(error) });
process.on("uncaughtException", report);
process.on("unhandledRejection", report);

eachLine(serve);
