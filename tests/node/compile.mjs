// Compiles Vega-Lite specifications, given as one JSON object by name on standard input, and prints by name what the
// compiler warned of, or the error that ended it.

import { readFileSync } from "node:fs";
import { parse } from "vega";
import { compile } from "vega-lite";

function warnings(specification) {
  const said = [];
  const logger = {
    level: () => logger,
    error: (...words) => (said.push(`error: ${words.join(" ")}`), logger),
    warn: (...words) => (said.push(words.join(" ")), logger),
    info: () => logger,
    debug: () => logger,
  };
  try {
    parse(compile(specification, { logger }).spec);
  } catch (error) {
    said.push(`failed: ${error.message}`);
  }
  return said;
}

const specifications = JSON.parse(readFileSync(0, "utf8"));
const entries = Object.entries(specifications).map(([name, specification]) => [name, warnings(specification)]);
process.stdout.write(JSON.stringify(Object.fromEntries(entries)));
