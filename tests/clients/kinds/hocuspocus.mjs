// Clients of Hocuspocus, by the provider's versions 4, 3 and 2. Each has a socket of its own, or one that it shares
// with the clients of this process that name it.

import * as version4 from "@hocuspocus/provider";
import * as version3 from "@hocuspocus/provider-3";
import * as version2 from "@hocuspocus/provider-2";
import { YjsClient, webSocketOf } from "./yjs.mjs";

const versions = { hocuspocus: version4, "hocuspocus-3": version3, "hocuspocus-2": version2 };

// Shared sockets by name, with the number of their users.
const sharedSockets = new Map();

function newSocket(request) {
  const { kind, url, params = {}, options } = request;
  const address = new URL(url);
  for (const [name, value] of Object.entries(params)) address.searchParams.set(name, value);
  const WebSocketPolyfill = webSocketOf(request);
  return new versions[kind].HocuspocusProviderWebsocket({ url: address.href, WebSocketPolyfill, ...options });
}

function takeSocket(request) {
  if (request.share === undefined) return newSocket(request);
  const shared = sharedSockets.get(request.share) ?? { socket: newSocket(request), users: 0 };
  shared.users += 1;
  sharedSockets.set(request.share, shared);
  return shared.socket;
}

function releaseSocket(socket, share) {
  const shared = sharedSockets.get(share);
  if (shared && --shared.users > 0) return;
  sharedSockets.delete(share);
  socket.destroy();
}

export class HocuspocusClient extends YjsClient {
  #provider;
  #socket;
  #share;
  #closed;
  #asked = 0;

  constructor(request) {
    super(request);
    this.#share = request.share;
    this.#socket = takeSocket(request);
    this.#provider = new versions[request.kind].HocuspocusProvider({
      websocketProvider: this.#socket,
      name: request.doc,
      document: this.doc,
      awareness: this.awareness,
      token: request.token ?? null,
      // Only version 2 has a BroadcastChannel.
      broadcast: false,
      ...request.options,
    });
    this.#listen();
    // Version 2 attaches itself.
    this.#provider.attach?.();
  }

  #listen() {
    const provider = this.#provider;
    const plain = ["open", "connect", "disconnect"];
    plain.forEach((name) => provider.on(name, () => this.note(name)));
    provider.on("status", ({ status }) => this.note("status", { status }));
    provider.on("synced", ({ state }) => this.note("synced", { state }));
    provider.on("authenticated", () => this.note("authenticated", { scope: provider.authorizedScope }));
    provider.on("authenticationFailed", ({ reason }) => this.note("authenticationFailed", { reason }));
    provider.on("unsyncedChanges", () => this.note("unsyncedChanges", { number: provider.unsyncedChanges }));
    provider.on("stateless", ({ payload }) => this.note("stateless", { payload }));
    provider.on("close", ({ event }) => this.noteClose(event));
  }

  status() {
    const { isSynced: synced, unsyncedChanges: unsynced, authorizedScope: scope = null } = this.#provider;
    const attached = this.#provider.isAttached ?? this.#provider.isConnected;
    return { connected: attached && this.#socket.status === "connected", synced, unsynced, scope };
  }

  // A shared socket stays open for the others; only this document leaves it.
  disconnect() {
    this.#asked += 1;
    if (this.#share === undefined) {
      this.#closed = this.#goesDown();
      this.#socket.disconnect();
    } else if (this.#provider.detach) this.#provider.detach();
    else this.#provider.disconnect();
    return {};
  }

  // The provider calls itself unconnected before its socket is, and a socket that is still closing does not connect. Whatever
  // is asked for meanwhile counts.
  async connect() {
    const asked = (this.#asked += 1);
    await this.#closed;
    if (asked !== this.#asked) return {};
    if (this.#share === undefined) this.#socket.connect();
    else if (this.#provider.attach) this.#provider.attach();
    else this.#provider.connect();
    return {};
  }

  // Settled once the socket that there is now has closed.
  #goesDown() {
    const socket = this.#socket;
    if (!socket.webSocket) return undefined;
    return new Promise((resolve) => {
      const gone = () => {
        socket.off("disconnect", gone);
        resolve();
      };
      socket.on("disconnect", gone);
    });
  }

  broadcast({ data }) {
    this.#provider.sendStateless(typeof data === "string" ? data : JSON.stringify(data));
    return {};
  }

  leave() {
    this.#provider.destroy();
    releaseSocket(this.#socket, this.#share);
  }
}
