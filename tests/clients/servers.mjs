// Servers of other people: `node servers.mjs hocuspocus|y-websocket|automerge [--port 0] [--data DIR] [--token T]
// [--read-token R]`. Prints one JSON line `{"port":…,"url":…}` once it listens, on the loopback address only, and
// runs until standard input ends. With a token, clients must name it; with a read token, Hocuspocus lets whoever
// names that one read.

import { describe, eachLine, say } from "./lines.mjs";
import { mkdirSync } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { WebSocketServer } from "ws";

const HOST = "127.0.0.1";

function listen(server, port) {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, HOST, () => resolve(server.address().port));
  });
}

// An HTTP server that hands WebSocket requests with the right token in their query to `accept`, and refuses others.
function guarded(token, accept) {
  const server = createServer((_request, response) => response.end("okay"));
  server.on("upgrade", (request, socket, head) => {
    const named = new URL(request.url, `http://${HOST}`).searchParams.get("token");
    if (token === undefined || named === token) accept(request, socket, head);
    else socket.end("HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  });
  return server;
}

// One file for each document.
function files(folder) {
  const path = (name) => join(folder, encodeURIComponent(name));
  return {
    fetch: ({ documentName }) => readFile(path(documentName)).catch(() => null),
    store: ({ documentName, state }) => writeFile(path(documentName), state),
  };
}

function authenticate({ token, readToken }) {
  return async ({ token: named, connectionConfig }) => {
    if (named === readToken && readToken !== undefined) connectionConfig.readOnly = true;
    else if (named !== token) throw new Error("the token is wrong");
  };
}

// Each starts a server and returns its port and what ends it in an orderly way.
const servers = {
  async hocuspocus({ port, data, token, readToken }) {
    const { Server } = await import("@hocuspocus/server");
    const { Database } = await import("@hocuspocus/extension-database");
    const server = new Server({
      address: HOST,
      port,
      quiet: true,
      stopOnSignals: false,
      extensions: data === undefined ? [] : [new Database(files(data))],
      ...(token === undefined ? {} : { onAuthenticate: authenticate({ token, readToken }) }),
      // Echoes what applications send, so that a test sees that it arrived.
      onStateless: async ({ document, payload }) => document.broadcastStateless(payload),
    });
    await server.listen();
    return { port: server.address.port, stop: () => server.destroy() };
  },

  async "y-websocket"({ port, data, token }) {
    // The package reads this where it is imported.
    if (data !== undefined) process.env.YPERSISTENCE = data;
    const { setupWSConnection } = await import("y-websocket-2/bin/utils");
    const sockets = new WebSocketServer({ noServer: true });
    sockets.on("connection", (socket, request) => setupWSConnection(socket, request));
    const server = guarded(token, (request, socket, head) => {
      sockets.handleUpgrade(request, socket, head, (accepted) => sockets.emit("connection", accepted, request));
    });
    return { port: await listen(server, port), stop: async () => {} };
  },

  // Put together as automerge-repo-sync-server does it, which itself listens on all addresses and at no free port.
  async automerge({ port, data, token }) {
    const { Repo } = await import("@automerge/automerge-repo");
    const { WebSocketServerAdapter } = await import("@automerge/automerge-repo-network-websocket");
    const { NodeFSStorageAdapter } = await import("@automerge/automerge-repo-storage-nodefs");
    const sockets = new WebSocketServer({ noServer: true });
    const repo = new Repo({
      network: [new WebSocketServerAdapter(sockets)],
      storage: data === undefined ? undefined : new NodeFSStorageAdapter(data),
      peerId: "storage-server",
      sharePolicy: async () => false,
    });
    const server = guarded(token, (request, socket, head) => {
      sockets.handleUpgrade(request, socket, head, (accepted) => sockets.emit("connection", accepted, request));
    });
    return { port: await listen(server, port), stop: () => repo.flush() };
  },
};

const options = {
  port: { type: "string", default: "0" },
  data: { type: "string" },
  token: { type: "string" },
  "read-token": { type: "string" },
};

async function main() {
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const start = servers[positionals[0]];
  if (!start) throw new Error(`name one of ${Object.keys(servers).join(", ")}`);
  if (values.data !== undefined) mkdirSync(values.data, { recursive: true });
  const { port, stop } = await start({ ...values, port: Number(values.port), readToken: values["read-token"] });
  say({ port, url: `ws://${HOST}:${port}` });
  eachLine(() => {}, stop);
}

main().catch((error) => {
  console.error(describe(error));
  process.exit(1);
});
