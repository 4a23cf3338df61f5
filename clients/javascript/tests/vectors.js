import { readFileSync } from "node:fs";

const folder = new URL("../../../tests/vectors/", import.meta.url);

/** @param {string} name */
const load = (name) => JSON.parse(readFileSync(new URL(`${name}.json`, folder), "utf8"));

/** The vectors that all implementations share. */
export const vectors = {
  specs: load("specs"),
  tokens: load("tokens"),
  records: load("records"),
  lookups: load("lookups"),
};
