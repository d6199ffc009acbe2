// Checks the drivers of this folder with servers of other people: `node check.mjs`. With arguments of the form
// `kind=url` it runs what all kinds must manage against the servers named, for those kinds alone: `node check.mjs
// y-websocket=ws://127.0.0.1:4455/yjs y-sweet=http://127.0.0.1:4455`. A token follows after a comma:
// `hocuspocus=ws://127.0.0.1:4455/hocuspocus,token`. Where one follows that may only read, what the kind has beyond the others
// is tried instead: `hocuspocus=ws://127.0.0.1:4455/hocuspocus,token,reader`.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { own, play } from "./check/kinds.mjs";
import { killAll, withServer } from "./check/process.mjs";
import { Report } from "./check/report.mjs";
import { restart, stored } from "./check/restarts.mjs";
import { Pair, edits, scenarios } from "./check/scenarios.mjs";

const here = (name) => fileURLToPath(new URL(name, import.meta.url));
const report = new Report();

// A provider of version 2 that has no token does not authenticate at all, and a server of version 4 waits for it to.
const TOKEN = "any";

const servers = {
  "y-websocket": "y-websocket",
  "y-websocket-2": "y-websocket",
  pycrdt: "y-websocket",
  hocuspocus: "hocuspocus",
  "hocuspocus-3": "hocuspocus",
  "hocuspocus-2": "hocuspocus",
  automerge: "automerge",
};

// How clients of a kind are opened, apart from where.
function placeOf(kind) {
  const file = kind === "pycrdt" ? "driver.py" : "driver.mjs";
  return { kind, file, ...(kind.startsWith("hocuspocus") ? { token: TOKEN } : {}) };
}

async function common(place, leftOut = []) {
  for (const [title, scenario] of Object.entries(scenarios)) {
    if (leftOut.includes(title)) continue;
    const pair = new Pair(place);
    await report.run(`${place.kind}: ${title}`, () => scenario(pair).then(() => pair.stop()));
  }
}

// The server of Hocuspocus 4.7 passes on no presence that is given up while its client stays.
const LEFT_OUT = { hocuspocus: ["presence can be left and taken up again"] };

async function restarts(kind) {
  const [place, server] = [placeOf(kind), servers[kind]];
  // A provider of version 2 fails at the message with which a server of version 4 closes a document.
  const manner = { comesBack: kind !== "pycrdt", killed: kind === "hocuspocus-2" };
  await report.run(`${kind}: a server that comes back`, restart(server, place, manner));
  await report.run(`${kind}: what a server has stored`, stored(server, place));
}

// Nothing may have gone wrong that nobody asked about, but for what a library throws where it is refused.
async function playOwn(place, thrown) {
  for (const [title, scenario] of Object.entries(own[place.kind])) {
    await report.run(`${place.kind}: ${title}`, async () => {
      const reports = await play(scenario, place);
      assert.deepEqual(reports.filter(({ error }) => !thrown?.test(error)), []);
    });
  }
}

// Servers of other people turn away at the door who shows no good token, upon which automerge-repo throws.
async function ownOf(kind) {
  const tokens = ["--token", "secret", "--read-token", "reader"];
  const reader = servers[kind] === "hocuspocus" ? "reader" : undefined;
  await withServer(
    servers[kind],
    (url) => playOwn({ ...placeOf(kind), url, writer: "secret", reader, refusal: "connection-error" }, /401/),
    tokens,
  );
}

// A relay of ours says why before it closes the connection.
const REFUSED = { event: "close", code: 4403 };

// Clients of two kinds at one document.
async function mixed(url) {
  const pair = new Pair({ ...placeOf("y-websocket"), url });
  await pair.open("a", { presence: { name: "a" } });
  pair.place = { ...placeOf("pycrdt"), url };
  await pair.open("b", { presence: { name: "b" } });
  await pair.edit("a", edits.insert(0, "a🙂c"), edits.set("n", { i: 1, f: 0.5, s: "é" }));
  await pair.together(3);
  await pair.edit("b", edits.insert(2, "b"), edits.push(0, 1, "x"), edits.set("shared", { q: [1] }, true));
  await pair.together(4);
  await Promise.all([pair.wait("a", { others: 1 }), pair.wait("b", { others: 1 })]);
  await pair.stop();
}

// The server takes a document without content for no change and never passes it on to who asked too early. This case
// always asks too early; the others do where a connection takes longer than 50 ms, so that they get another try.
const NOT_OF_THE_SERVER = "can broadcast a message";
const TRIES = 3;

async function adapterSuite(url, tries = TRIES) {
  try {
    await adapterSuiteOnce(url);
  } catch (error) {
    if (tries === 1) throw error;
    await adapterSuite(url, tries - 1);
  }
}

function adapterSuiteOnce(url) {
  const suite = spawn(process.execPath, [here("adapter-suite.mjs"), url, "--except", NOT_OF_THE_SERVER]);
  let said = "";
  for (const stream of [suite.stdout, suite.stderr]) stream.on("data", (text) => (said += text));
  return new Promise((resolve, reject) => {
    suite.on("close", (code) => (code === 0 ? resolve() : reject(new Error(said))));
  });
}

async function withOtherPeople() {
  const python = existsSync(here("venv/bin/python"));
  const tried = Object.keys(servers).filter((kind) => kind !== "pycrdt" || python);
  for (const kind of tried) {
    await withServer(servers[kind], (url) => common({ ...placeOf(kind), url }, LEFT_OUT[servers[kind]]));
    await restarts(kind);
    await ownOf(kind);
  }
  if (python) await withServer("y-websocket", (url) => report.run("pycrdt with y-websocket", () => mixed(url)));
  else report.skip("pycrdt", "there is no venv here");
  await withServer("automerge", (url) => report.run("automerge: adapter suite", () => adapterSuite(url)));
  report.skip("y-sweet", "its server is no package; name one with y-sweet=URL");
}

async function withNamed(arguments_) {
  for (const argument of arguments_) {
    const [, kind, at] = argument.match(/^([^=]+)=(.*)$/);
    const [url, token, reader] = at.split(",");
    if (reader === undefined) await common({ ...placeOf(kind), url, ...(token === undefined ? {} : { token }) });
    else await playOwn({ ...placeOf(kind), url, writer: token, reader, refusal: REFUSED });
  }
}

const named = process.argv.slice(2);
console.log(`on Node ${process.version}`);
await (named.length > 0 ? withNamed(named) : withOtherPeople());
await killAll();
process.exit(report.end() ? 0 : 1);
