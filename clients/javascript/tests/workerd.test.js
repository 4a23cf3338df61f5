import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import workerd from "workerd";

import { cases } from "./cases.js";
import { vectors } from "./vectors.js";

test("all cases inside workerd, the runtime of Cloudflare's Workers", () => {
  const config = fileURLToPath(new URL("workerd.capnp", import.meta.url));
  const { status, stdout, stderr } = spawnSync(workerd.default, ["test", config], {
    encoding: "utf8",
    timeout: 60_000,
  });
  assert.equal(status, 0, stderr);
  assert.match(stdout + stderr, new RegExp(`^${cases(vectors).length} cases$`, "m"));
});
