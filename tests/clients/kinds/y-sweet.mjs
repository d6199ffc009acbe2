// Clients of y-sweet. The token of a document is fetched as an application's own server would, with the server token.

import { YSweetProvider } from "@y-sweet/client";
import { DocumentManager } from "@y-sweet/sdk";
import { YjsClient, webSocketOf } from "./yjs.mjs";

// The base address of a server as the connection string that the SDK wants.
function connectionString(url, token) {
  const address = new URL(url);
  const scheme = address.protocol === "https:" ? "yss:" : "ys:";
  const user = token === undefined ? "" : `${encodeURIComponent(token)}@`;
  return `${scheme}//${user}${address.host}${address.pathname}`;
}

export class YSweetClient extends YjsClient {
  #provider;
  #resume = () => {};

  constructor(request) {
    super(request);
    const { url, doc, token, auth, options } = request;
    const server = new DocumentManager(connectionString(url, token));
    const clientToken = async () => {
      try {
        return await server.getOrCreateDocAndToken(doc, auth);
      } catch (error) {
        this.note("tokenFailed", { error: error.message });
        throw error;
      }
    };
    this.#provider = new YSweetProvider(clientToken, doc, this.doc, {
      awareness: this.awareness,
      WebSocketPolyfill: webSocketOf(request),
      showDebuggerLink: false,
      ...options,
    });
    this.#listen();
  }

  #listen() {
    const provider = this.#provider;
    provider.on("connection-status", (status) => this.note("status", { status }));
    provider.on("synced", (state) => this.note("synced", { state }));
    provider.on("local-changes", (state) => this.note("local-changes", { state }));
    provider.on("connection-close", (event) => this.noteClose(event));
    provider.on("connection-error", (event) => this.note("connection-error", { error: event?.message ?? "" }));
  }

  status() {
    const { wsconnected: connected, synced, hasLocalChanges, clientToken } = this.#provider;
    const scope = clientToken?.authorization ?? null;
    return { connected, synced, unsynced: hasLocalChanges ? 1 : 0, scope };
  }

  disconnect() {
    this.#rest();
    this.#provider.disconnect();
    return {};
  }

  connect() {
    delete this.#provider.connect;
    delete this.#provider.attemptToConnect;
    this.#resume();
    // What it was in the middle of goes on.
    if (!this.#provider.isConnecting) this.#provider.connect();
    return {};
  }

  leave() {
    this.#rest();
    this.#provider.destroy();
  }

  // This version connects again as soon as the socket that it closed itself is closed, and goes on with attempts that it is
  // in the middle of, so that neither `disconnect` nor `destroy` lasts. Until `connect` it must not.
  #rest() {
    const provider = this.#provider;
    const resumed = new Promise((resolve) => (this.#resume = resolve));
    provider.connect = async () => {};
    provider.attemptToConnect = (token) => resumed.then(() => provider.attemptToConnect(token));
  }
}
