// Clients of the y-websocket protocol, by the provider's versions 3 and 2.

import { WebsocketProvider } from "y-websocket";
import { WebsocketProvider as WebsocketProvider2 } from "y-websocket-2";
import { YjsClient, webSocketOf } from "./yjs.mjs";

const providers = { "y-websocket": WebsocketProvider, "y-websocket-2": WebsocketProvider2 };

export class YWebsocketClient extends YjsClient {
  #provider;

  constructor(request) {
    super(request);
    const { kind, url, doc, token, params, options } = request;
    this.#provider = new providers[kind](url, doc, this.doc, {
      params: { ...params, ...(token === undefined ? {} : { token }) },
      awareness: this.awareness,
      WebSocketPolyfill: webSocketOf(request),
      disableBc: true,
      ...options,
    });
    this.#listen();
  }

  #listen() {
    const provider = this.#provider;
    provider.on("status", ({ status }) => this.note("status", { status }));
    provider.on("sync", (state) => this.note("synced", { state }));
    provider.on("connection-close", (event) => this.noteClose(event));
    provider.on("connection-error", (event) => this.note("connection-error", { error: event?.message ?? "" }));
    provider.on("closed", ({ code, reason }) => this.note("closed", { code, reason: String(reason) }));
  }

  status() {
    const { wsconnected: connected, synced } = this.#provider;
    return { connected, synced, unsynced: null };
  }

  disconnect() {
    this.#provider.disconnect();
    return {};
  }

  connect() {
    this.#provider.connect();
    return {};
  }

  leave() {
    this.#provider.destroy();
  }
}
