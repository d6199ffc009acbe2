// The programs of this folder as child processes, spoken to in JSON lines.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("..", import.meta.url));
const PYTHON = `${FOLDER}venv/bin/python`;

// All that were started and have not ended, so that none is left behind.
const running = new Set();

export class Program {
  errors = "";
  #child;
  #ended;
  #onLine;

  constructor(file, ...rest) {
    const interpreter = file.endsWith(".py") ? PYTHON : process.execPath;
    this.#child = spawn(interpreter, [FOLDER + file, ...rest], { stdio: ["pipe", "pipe", "pipe"] });
    running.add(this);
    this.#child.stderr.on("data", (text) => (this.errors += text));
    // A child that has ended already takes no more input.
    this.#child.stdin.on("error", () => {});
    createInterface({ input: this.#child.stdout }).on("line", (line) => this.#onLine(JSON.parse(line)));
    this.#ended = new Promise((resolve) => {
      this.#child.on("error", (error) => resolve({ error }));
      this.#child.on("close", (code) => resolve({ code }));
    }).then((end) => (running.delete(this), end));
  }

  onLine(handle) {
    this.#onLine = handle;
  }

  write(object) {
    this.#child.stdin.write(`${JSON.stringify(object)}\n`);
  }

  ended() {
    return this.#ended;
  }

  // Ends its input, and waits until it is gone.
  stop() {
    this.#child.stdin.end();
    return this.#ended;
  }

  kill() {
    this.#child.kill("SIGKILL");
    return this.#ended;
  }
}

export function killAll() {
  return Promise.all([...running].map((program) => program.kill()));
}

// A driver: requests are methods' arguments, answers come back as values.
export class Driver {
  reports = [];
  #program;
  #pending = new Map();
  #nextId = 1;

  constructor(file = "driver.mjs") {
    this.#program = new Program(file);
    this.#program.onLine((line) => this.#take(line));
    this.#program.ended().then(() => this.#failAll());
  }

  #take({ id, ok, ...answer }) {
    const pending = this.#pending.get(id);
    if (!pending) return this.reports.push(answer);
    this.#pending.delete(id);
    if (ok) pending.resolve(answer);
    else pending.reject(new Error(`${pending.what}: ${answer.error}`));
  }

  #failAll() {
    const error = new Error(`the driver ended: ${this.#program.errors}`);
    for (const { reject } of this.#pending.values()) reject(error);
  }

  do(what, client, fields = {}) {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#pending.set(id, { resolve, reject, what: `${what} of ${client}` });
      this.#program.write({ id, do: what, client, ...fields });
    });
  }

  wait(client, until, timeout = 10_000) {
    return this.do("wait", client, { until, timeout });
  }

  get errors() {
    return this.#program.errors;
  }

  stop() {
    return this.#program.stop();
  }

  kill() {
    return this.#program.kill();
  }
}

// A server, once it listens.
export async function startServer(...arguments_) {
  const server = new Program("servers.mjs", ...arguments_);
  const listening = new Promise((resolve) => server.onLine(resolve));
  const failed = server.ended().then(() => Promise.reject(new Error(`the server ended: ${server.errors}`)));
  const { port, url } = await Promise.race([listening, failed]);
  failed.catch(() => {});
  return Object.assign(server, { port, url });
}

export async function withFolder(body) {
  const folder = mkdtempSync(join(tmpdir(), "clients-"));
  try {
    await body(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export function withServer(kind, body, options = []) {
  return withFolder(async (folder) => {
    const server = await startServer(kind, "--data", folder, ...options);
    await body(server.url);
    await server.stop();
  });
}
