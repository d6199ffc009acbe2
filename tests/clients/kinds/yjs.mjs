// A client with a Yjs document and an awareness. What differs between the providers is in the subclasses.

import * as Y from "yjs";
import { Awareness } from "y-protocols/awareness";
import { WebSocket as WsWebSocket } from "ws";
import { FIELD_OF, canonical, clamped, utf16, utf16Range } from "../document.mjs";
import { Client } from "./client.mjs";

// Nested shared types instead of plain JSON; `{"$text":"…"}` is a text.
function shared(value) {
  if (Array.isArray(value)) return Y.Array.from(value.map(shared));
  if (value === null || typeof value !== "object") return value;
  if ("$text" in value) return new Y.Text(value.$text);
  return new Y.Map(Object.entries(value).map(([key, member]) => [key, shared(member)]));
}

const asStored = (edit, value) => (edit.shared ? shared(value) : value);

const fields = {
  text: (doc) => doc.getText("text"),
  map: (doc) => doc.getMap("map"),
  list: (doc) => doc.getArray("list"),
};

// Other documents, such as boards, have maps at the top.
const root = (doc, name) => (name in fields ? fields[name](doc) : doc.getMap(name));

const types = { text: Y.Text, map: Y.Map, list: Y.Array };

const inside = (type, token) => (type instanceof Y.Map || type instanceof Y.Array ? type.get(token) : undefined);

// What an edit applies to: a field, or a shared type in one; undefined where there is no such type.
function find(doc, [field, ...tokens], wanted) {
  const found = tokens.reduce(inside, root(doc, field));
  return found instanceof types[wanted] ? found : undefined;
}

const operations = {
  insert: (text, { at, value }) => text.insert(utf16(text.toString(), at), value),
  delete: (text, { at, count }) => text.delete(...utf16Range(text.toString(), at, count)),
  set: (map, edit) => map.set(edit.key, asStored(edit, edit.value)),
  unset: (map, { key }) => map.delete(key),
  push(list, edit) {
    const [start] = clamped(list.length, edit.at, 0);
    list.insert(start, edit.values.map((value) => asStored(edit, value)));
  },
  pull: (list, { at, count }) => list.delete(...clamped(list.length, at, count)),
};

function perform(doc, edit) {
  const target = find(doc, edit.in ?? [FIELD_OF[edit.op]], FIELD_OF[edit.op]);
  if (target) operations[edit.op](target, edit);
}

const roots = {
  text: (doc, name) => doc.getText(name).toString(),
  map: (doc, name) => doc.getMap(name).toJSON(),
  array: (doc, name) => doc.getArray(name).toJSON(),
  xml: (doc, name) => doc.getXmlFragment(name).toString(),
};

const base64 = (bytes) => Buffer.from(bytes).toString("base64");

export function webSocketOf({ socket = "ws" }) {
  return { ws: WsWebSocket, node: globalThis.WebSocket }[socket];
}

export class YjsClient extends Client {
  doc = new Y.Doc();
  awareness = new Awareness(this.doc);

  constructor({ presence }) {
    super();
    // Without a state of the test's the awareness keeps the empty one that it begins with.
    if (presence !== undefined) this.awareness.setLocalState(presence);
    this.doc.on("update", () => this.changed());
    this.awareness.on("change", () => this.changed());
  }

  opened() {
    return {};
  }

  ready() {
    return true;
  }

  edit({ edits }) {
    this.doc.transact(() => edits.forEach((edit) => perform(this.doc, edit)), "edit");
    return {};
  }

  text() {
    return this.doc.getText("text").toString();
  }

  read() {
    const list = this.doc.getArray("list").toJSON();
    return { json: canonical({ list, map: this.map(), text: this.text() }) };
  }

  map() {
    return this.doc.getMap("map").toJSON();
  }

  field(name) {
    return root(this.doc, name).toJSON();
  }

  // With an origin of its own, so that the provider takes it for a local change and sends it.
  load({ update }) {
    Y.applyUpdate(this.doc, Buffer.from(update, "base64"), "load");
    return {};
  }

  vector() {
    return base64(Y.encodeStateVector(this.doc));
  }

  state() {
    return { state: base64(Y.encodeStateAsUpdate(this.doc)), vector: this.vector() };
  }

  whole({ roots: types }) {
    const values = Object.entries(types).map(([name, type]) => [name, roots[type](this.doc, name)]);
    return { json: canonical(Object.fromEntries(values)) };
  }

  presence({ state }) {
    this.awareness.setLocalState(state);
    return {};
  }

  // Empty states are left out: they are what a library begins with, and no client shows them before their renewal.
  presences() {
    const isOther = ([id, state]) => id !== this.doc.clientID && Object.keys(state).length > 0;
    const others = [...this.awareness.getStates()].filter(isOther);
    const told = others.map(([id, state]) => ({ client: String(id), state }));
    return { others: told.sort((one, other) => (one.client < other.client ? -1 : 1)) };
  }

  broadcast() {
    throw new Error("this kind has no messages of the application's own");
  }

  close() {
    this.leave();
    this.dismiss();
    this.awareness.destroy();
    this.doc.destroy();
    return {};
  }
}
