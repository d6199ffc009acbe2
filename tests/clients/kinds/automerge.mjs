// Clients of automerge-repo over its WebSocket adapter: one repo, one document and one adapter for each.

import * as Automerge from "@automerge/automerge";
import { Presence, Repo, cbor, interpretAsDocumentId } from "@automerge/automerge-repo";
import { WebSocketClientAdapter } from "@automerge/automerge-repo-network-websocket";
import { NodeFSStorageAdapter } from "@automerge/automerge-repo-storage-nodefs";
import { FIELD_OF, canonical, clamped, utf16, utf16Range } from "../document.mjs";
import { Client } from "./client.mjs";

const isOf = (value, kinds) => kinds.some((kind) => value instanceof kind);
const NO_MAPS = [Array, Uint8Array, Date, Automerge.Counter, Automerge.ImmutableString];

// Whether something is of the sort that an edit is for.
const sorts = {
  text: (value) => typeof value === "string",
  list: Array.isArray,
  map: (value) => typeof value === "object" && value !== null && !isOf(value, NO_MAPS),
};

const inside = (value, token) => (sorts.list(value) || sorts.map(value) ? value[token] : undefined);

// Strings are texts here.
const withoutMarks = (value) => {
  if (Array.isArray(value)) return value.map(withoutMarks);
  if (!sorts.map(value)) return value;
  if ("$text" in value) return value.$text;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, withoutMarks(member)]));
};

// By what is edited, the edit, and for texts also where they are.
const operations = {
  insert: (text, { at, value }, doc, path) => Automerge.splice(doc, path, utf16(text, at), 0, value),
  delete: (text, { at, count }, doc, path) => Automerge.splice(doc, path, ...utf16Range(text, at, count)),
  set: (map, { key, value }) => (map[key] = withoutMarks(value)),
  unset: (map, { key }) => delete map[key],
  push(list, { at, values }) {
    const [start] = clamped(list.length, at, 0);
    list.splice(start, 0, ...values.map(withoutMarks));
  },
  pull: (list, { at, count }) => list.splice(...clamped(list.length, at, count)),
};

function perform(doc, edit) {
  const path = edit.in ?? [FIELD_OF[edit.op]];
  const target = path.reduce(inside, doc);
  if (sorts[FIELD_OF[edit.op]](target)) operations[edit.op](target, edit, doc, path);
}

// A value as JSON. With marks, what JSON has no type for keeps it; without, counters and scalar strings are plain.
function json(value, marks) {
  const marked = (mark, inner) => (marks ? { [mark]: inner } : inner);
  if (Array.isArray(value)) return value.map((member) => json(member, marks));
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString("hex") };
  if (value instanceof Date) return { $ts: value.getTime() };
  // Whole numbers of more than 32 bits, where another program wrote them.
  if (typeof value === "bigint") return marks ? { $int: value.toString() } : Number(value);
  if (value instanceof Automerge.Counter) return marked("$counter", value.value);
  if (Automerge.isImmutableString(value)) return marked("$str", value.val);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, json(member, marks)]));
}

// What a frame says, where it can be read; the library passes over what cannot.
function decoded(bytes) {
  try {
    return cbor.decode(new Uint8Array(bytes));
  } catch {
    return {};
  }
}

const sameHeads = (some, others) => [...some].sort().join() === [...others].sort().join();

function withQuery(url, params) {
  const address = new URL(url);
  for (const [name, value] of Object.entries(params)) address.searchParams.set(name, value);
  return address.href;
}

const aTurn = () => new Promise(setImmediate);

// The library's adapter, which also tells what the library keeps to itself: how sockets end and what a server refuses.
class Adapter extends WebSocketClientAdapter {
  #client;
  #dropped = false;

  constructor(client, ...rest) {
    super(...rest);
    this.#client = client;
  }

  // A retry that the library has scheduled outlives its own `disconnect`; it must not bring back an adapter that the
  // test took offline.
  connect(...arguments_) {
    if (this.#dropped) return;
    super.connect(...arguments_);
    // Ahead of the library's listener, which throws on most errors.
    this.socket.prependListener("error", ({ message }) => this.#client.note("connection-error", { error: message }));
    this.socket.addEventListener("close", (event) => this.#client.noteClose(event));
  }

  receiveMessage(bytes) {
    const { type, message } = decoded(bytes);
    if (type === "error") this.#client.note("error", { message });
    super.receiveMessage(bytes);
  }

  drop() {
    this.#dropped = true;
  }
}

export class AutomergeClient extends Client {
  #url;
  #retryInterval;
  #repo;
  #adapter;
  #attached;
  #handle;
  #presence;
  #initialState;

  constructor({ url, doc, update, token, params, presence, store, options: { retryInterval, ...options } = {} }) {
    super();
    this.#url = withQuery(url, { ...params, ...(token === undefined ? {} : { token }) });
    this.#retryInterval = retryInterval;
    this.#initialState = presence;
    this.#adapter = new Adapter(this, this.#url, retryInterval);
    const storage = store === undefined ? undefined : new NodeFSStorageAdapter(store);
    this.#repo = new Repo({ network: [this.#adapter], storage, ...options });
    this.#attached = aTurn();
    this.#open(doc, update);
    this.#listen();
  }

  // A document that is there already, one that is made of what somebody has saved, or a new one.
  #open(doc, update) {
    if (update !== undefined) {
      this.#handle = this.#repo.import(Buffer.from(update, "base64"));
      return;
    }
    if (doc === undefined) {
      this.#handle = this.#repo.create({ text: "", map: {}, list: [] });
      return;
    }
    const found = this.#repo.find(doc);
    this.#handle = this.#repo.handles[interpretAsDocumentId(doc)];
    found.then(
      () => this.note("ready"),
      (error) => this.note("unavailable", { error: error.message }),
    );
  }

  #listen() {
    const handle = this.#handle;
    handle.on("heads-changed", () => this.changed());
    handle.on("remote-heads", ({ storageId, heads }) => this.note("remote-heads", { storageId, heads }));
    handle.on("ephemeral-message", ({ senderId, message }) => {
      if (!message?.__presence) this.note("ephemeral", { from: senderId, data: message });
    });
    const network = this.#repo.networkSubsystem;
    network.on("peer", ({ peerId }) => this.note("peer", { peer: peerId }));
    network.on("peer-disconnected", ({ peerId }) => this.note("peer-disconnected", { peer: peerId }));
    // Before a peer takes part in the document there is nobody who would get the first state.
    this.#repo.synchronizer.on("open-doc", () => setImmediate(() => this.#announce()));
    this.#presence = new Presence({ handle });
    const kinds = ["update", "snapshot", "heartbeat", "goodbye", "pruning"];
    kinds.forEach((kind) => this.#presence.on(kind, () => this.changed()));
  }

  #announce() {
    if (this.#initialState && !this.#presence.running) this.#presence.start({ initialState: this.#initialState });
  }

  opened() {
    return { doc: this.#handle.url };
  }

  ready() {
    return this.#handle.isReady();
  }

  edit({ edits }) {
    this.#handle.change((doc) => {
      const needed = edits.map((edit) => (edit.in ?? [FIELD_OF[edit.op]])[0]);
      const missing = needed.filter((field) => !(field in doc));
      if (missing.length > 0) throw new Error(`the document has no ${missing.join(", ")}`);
      edits.forEach((edit) => perform(doc, edit));
    });
    return {};
  }

  text() {
    return json(this.#handle.doc().text ?? "", false);
  }

  map() {
    return json(this.#handle.doc().map ?? {}, false);
  }

  field(name) {
    return json(this.#handle.doc()[name], false);
  }

  read() {
    const { list = [] } = this.#handle.doc();
    return { json: canonical({ list: json(list, false), map: this.map(), text: this.text() }) };
  }

  // The same from what the library would save. What it shows it keeps up to date by patches, and these go wrong at times:
  // version 3.5 is then behind its own document, whose heads are those of everybody.
  reread() {
    const { list = [], map = {}, text = "" } = Automerge.load(Automerge.save(this.#handle.doc()));
    return { json: canonical({ list: json(list, false), map: json(map, false), text: json(text, false) }) };
  }

  load({ update }) {
    this.#repo.import(Buffer.from(update, "base64"), { docId: this.#handle.documentId });
    return {};
  }

  vector() {
    return [...Automerge.getHeads(this.#handle.doc())].sort();
  }

  state() {
    return { state: Buffer.from(Automerge.save(this.#handle.doc())).toString("base64"), vector: this.vector() };
  }

  whole() {
    return { json: canonical(json(this.#handle.doc(), true)) };
  }

  status() {
    const peers = this.#repo.peers;
    const unsynced = this.#unsynced();
    const synced = peers.length > 0 && this.ready() && unsynced === 0;
    return { connected: peers.length > 0, synced, unsynced, peers, docState: this.#handle.state };
  }

  // Whether a peer with a store has told other heads than ours; unknown where no peer has a store.
  #unsynced() {
    const stores = Object.values(this.#repo.peerMetadataByPeerId).map(({ storageId }) => storageId);
    const named = stores.filter(Boolean);
    if (named.length === 0 || !this.ready()) return null;
    const heads = this.#handle.heads();
    const behind = named.filter((store) => !sameHeads(this.#handle.getSyncInfo(store)?.lastHeads ?? [], heads));
    return behind.length;
  }

  // An adapter that is not connected yet cannot be disconnected, and the repo connects it a little later.
  async disconnect() {
    await this.#attached;
    this.#adapter.drop();
    this.#repo.networkSubsystem.removeNetworkAdapter(this.#adapter);
    return {};
  }

  connect() {
    this.#adapter = new Adapter(this, this.#url, this.#retryInterval);
    this.#repo.networkSubsystem.addNetworkAdapter(this.#adapter);
    this.#attached = aTurn();
    return {};
  }

  // The library sees others only from its own first state on, and merges later states into it by key.
  presence({ state, heartbeatMs, peerTtlMs }) {
    if (state === null) this.#presence.stop();
    else if (!this.#presence.running) this.#presence.start({ initialState: state, heartbeatMs, peerTtlMs });
    else Object.entries(state).forEach(([key, value]) => this.#presence.broadcast(key, value));
    return {};
  }

  presences() {
    const others = Object.values(this.#presence.getPeerStates().value);
    const told = others.map(({ peerId, value }) => ({ client: peerId, state: value }));
    return { others: told.sort((one, other) => (one.client < other.client ? -1 : 1)) };
  }

  broadcast({ data }) {
    this.#handle.broadcast(data);
    return {};
  }

  // The name of its store, and up to where it holds the document.
  async holding() {
    return { storageId: await this.#repo.storageId(), heads: this.#handle.heads() };
  }

  // From now on it wants to hear up to where another client's store holds the document.
  follow({ storageId }) {
    this.#repo.subscribeToRemotes([storageId]);
    return {};
  }

  async close() {
    this.#presence.stop();
    this.#adapter.drop();
    this.dismiss();
    await this.#repo.shutdown();
    return {};
  }
}
