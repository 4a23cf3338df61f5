import assert from "node:assert/strict";
import { test } from "node:test";

import { cases } from "./cases.js";
import { vectors } from "./vectors.js";

for (const { name, run } of cases(vectors)) test(name, run);

test("there is a case for each vector of the files", () => {
  const { specs, tokens, records, lookups } = vectors;
  const lists = [specs, tokens, records, records.seals, lookups].flatMap(Object.values).filter(Array.isArray);
  const number = lists.reduce((sum, list) => sum + list.length, 0);
  assert.equal(cases(vectors).length, number + 1); // The signing key is not in a list.
});
