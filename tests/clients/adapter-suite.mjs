// The tests that automerge-repo publishes for network adapters, run through a server: `node adapter-suite.mjs URL
// [--except TITLE]…`.
//
// The tests connect three peers by adapters that lead straight to each other. Here each adapter leads to the server, so
// that the peers see the server and only the server. Left out is therefore what looks at another peer itself:
//   - "emits a peer-candidate event with proper peer metadata when a peer connects": the metadata is the server's;
//   - "should emit disconnect events on disconnect": nobody but the server sees a peer leave;
//   - "should not send messages after disconnect": waits for the other side to see that.

import { registerHooks } from "node:module";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";

const LEFT_OUT = [
  "emits a peer-candidate event with proper peer metadata when a peer connects",
  "should emit disconnect events on disconnect",
  "should not send messages after disconnect",
];

const CASE_TIMEOUT_MS = 20_000;

// The tests take their runner from `vitest`; these few lines stand for what they use of it.
const cases = [];
globalThis.suiteRunner = {
  describe: (_title, body) => body(),
  it: (title, body) => cases.push({ title, body }),
  expect: () => {
    throw new Error("only a test that is left out uses this");
  },
};
const runner = "export const { describe, it, expect } = globalThis.suiteRunner;";
registerHooks({
  resolve(specifier, context, next) {
    if (specifier !== "vitest") return next(specifier, context);
    return { url: `data:text/javascript,${encodeURIComponent(runner)}`, shortCircuit: true };
  },
});

// The entry that brings Automerge's WebAssembly; what the tests import takes it for granted.
await import("@automerge/automerge-repo");
const { WebSocketClientAdapter } = await import("@automerge/automerge-repo-network-websocket");
const { runNetworkAdapterTests } = await import("@automerge/automerge-repo/helpers/tests/network-adapter-tests.js");

// A socket that is closed before it was open reports an error, which ends the process where nobody listens. The library
// takes its listener away before it closes.
class Adapter extends WebSocketClientAdapter {
  connect(...arguments_) {
    super.connect(...arguments_);
    this.socket.on("error", () => {});
  }
}

// Adapters of the case that runs. Those that were connected are disconnected after it, whether it passed or not: a test
// takes them down itself only where it passes.
let adapters = [];

function disconnectAll() {
  for (const adapter of adapters.filter(({ socket }) => socket)) adapter.disconnect();
  adapters = [];
}

function setup(url) {
  const three = [1, 2, 3].map(() => new Adapter(url));
  adapters.push(...three);
  return { adapters: three, teardown: disconnectAll };
}

async function outcome({ title, body }, failure, leftOut) {
  if (leftOut.includes(title)) return "left out";
  const late = pause(CASE_TIMEOUT_MS, `not within ${CASE_TIMEOUT_MS} ms`, { ref: false });
  try {
    const error = await Promise.race([body().then(() => null), failure, late]);
    return error === null ? "passed" : `failed: ${error?.stack ?? error}`;
  } catch (error) {
    return `failed: ${error.stack}`;
  } finally {
    disconnectAll();
  }
}

async function main() {
  const options = { except: { type: "string", multiple: true, default: [] } };
  const { values, positionals } = parseArgs({ options, allowPositionals: true });
  const leftOut = [...LEFT_OUT, ...values.except];
  runNetworkAdapterTests(async () => setup(positionals[0]));
  const counts = { passed: 0, failed: 0, left: 0 };
  for (const one of cases) {
    const failure = new Promise((resolve) => process.once("uncaughtException", resolve));
    const how = await outcome(one, failure, leftOut);
    process.removeAllListeners("uncaughtException");
    counts[how.split(/\W/)[0]] += 1;
    console.log(`${one.title}: ${how}`);
  }
  console.log(`${counts.passed} passed, ${counts.failed} failed, ${counts.left} left out`);
  process.exit(counts.failed === 0 && counts.passed > 0 ? 0 : 1);
}

main();
