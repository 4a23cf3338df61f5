import assert from "node:assert/strict";
import { test } from "node:test";

import { cases } from "./cases.js";
import { vectors } from "./vectors.js";

for (const { name, run } of cases(vectors)) test(name, run);

test("no list of the files is left out", () => {
  const { specs, tokens, records, lookups } = vectors;
  const lists = [specs, tokens, records, records.seals, lookups].flatMap(Object.values).filter(Array.isArray);
  const number = lists.reduce((sum, list) => sum + list.length, 0);
  assert.equal(cases(vectors).length, number + 1); // and the key of the seals, which is in no list
});
