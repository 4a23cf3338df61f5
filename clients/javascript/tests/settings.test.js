import assert from "node:assert/strict";
import { test } from "node:test";

import { Client, SettingError, ShrinkmeisterError } from "shrinkmeister";

const RIGHT = {
  secretKey: "the secret of the tests, which is long enough",
  serverUrl: "https://thumbs.example.com",
};

const wrong = {
  secretKey: [
    undefined,
    null,
    "",
    1,
    "s".repeat(31),
    "😀".repeat(31),
    ` ${"s".repeat(40)}`,
    `${"s".repeat(40)}\n`,
  ].concat([`${"s".repeat(40)}\u0085s`, `${"s".repeat(40)}\ud800`, `s\0${"s".repeat(40)}`, Buffer.alloc(40)]),
  secretKeyFallbacks: [null, "s".repeat(40), ["s".repeat(31)], [null]],
  serverUrl: [
    undefined,
    null,
    "",
    "thumbs.example.com",
    "ftp://a.b",
    "https://a.b?x",
    "https://a.b//",
    "https://a b",
    1,
    new URL("https://thumbs.example.com"),
  ],
  keyPrefix: [null, "a b", "ä", "x".repeat(201), 1],
  prefix: [null, "/cache/", "../", "a/../b", "a\\b", 1],
  checkTtl: [null, 0, -1, 1.5, "60", NaN, Infinity, 1e10 + 1],
  urlTtl: [0, -1, 1.5, "60", NaN, 1e10 + 1],
  resolutions: [null, "2", [2], ["2x"], ["0"], ["11"], [""]],
  options: [null, "crop", [], { format: "TIFF" }, { "a b": 1 }, { quality: NaN }],
  mget: ["redis", 1, {}],
  cacheTimeout: [null, 0, -1, 61, "1", NaN],
  onError: [null, "log"],
  clock: [null, 0],
};

for (const [name, values] of Object.entries(wrong)) {
  test(`${name} is told what is wrong with it`, async () => {
    for (const value of values) {
      await assert.rejects(Client.create({ ...RIGHT, [name]: value }), (error) => {
        assert.ok(error instanceof SettingError && error instanceof ShrinkmeisterError);
        assert.match(error.message, new RegExp(name));
        assert.match(error.message, /[;:] /); // and the fix behind it
        return !/sss|😀/.test(error.message); // never a secret
      });
    }
  });
}

test("an unknown setting is an error", async () => {
  await assert.rejects(
    Client.create({ ...RIGHT, secret: "x" }),
    /unknown setting secret; one of secretKey, /,
  );
  await assert.rejects(Client.create(), SettingError);
});

test("of resolutions the wrong one is told", async () => {
  await assert.rejects(Client.create({ ...RIGHT, resolutions: ["2", 1.5] }), /^SettingError: resolutions has 1\.5;/);
});

test("what is undefined is not given", async () => {
  const names = Object.keys(wrong).filter((name) => !(name in RIGHT));
  await Client.create({ ...RIGHT, ...Object.fromEntries(names.map((name) => [name, undefined])) });
});

test("right ones", async () => {
  await Client.create({
    ...RIGHT,
    secretKey: "😀 Zwölf Boxkämpfer jagen Viktor quer",
    prefix: "",
    keyPrefix: "",
    urlTtl: null,
    mget: null,
  });
  const url = async (serverUrl) =>
    (await Client.create({ ...RIGHT, serverUrl })).url("s3://photos/a.jpg", "300");
  assert.equal(await url("http://127.0.0.1:8001/a/b/"), await url("http://127.0.0.1:8001/a/b"));
  assert.match(await url("http://127.0.0.1:8001/a/b/"), /^http:\/\/127\.0\.0\.1:8001\/a\/b\/[\w-]+\.jpg$/);
});

test("the cache's failure is warned of unless there is a hook", async (context) => {
  const warn = context.mock.method(console, "warn", () => {});
  const client = await Client.create({ ...RIGHT, mget: () => Promise.reject(new Error("refused")) });
  await client.thumbnail("s3://photos/a.jpg", "300");
  assert.match(warn.mock.calls[0].arguments[0].message, /not used for 5 s: refused/);
});
