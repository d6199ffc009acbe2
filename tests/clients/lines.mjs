// JSON lines on standard input and output, for the programs of this folder. Whoever imports this imports it first: from
// then on nothing but JSON lines reaches standard output, for libraries that print go to standard error.

import { createInterface } from "node:readline";

globalThis.console = new console.Console(process.stderr, process.stderr);

export function say(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

// The process ends with its standard input, so that it never outlives the test that started it.
export function eachLine(handle, stop = async () => {}) {
  const lines = createInterface({ input: process.stdin, crlfDelay: Infinity });
  lines.on("line", (line) => line.trim() && handle(line));
  lines.on("close", () => stop().finally(() => process.exit(0)));
}

export function describe(error) {
  if (error instanceof Error) return error.message || error.name;
  return typeof error === "string" ? error : JSON.stringify(error) ?? String(error);
}
