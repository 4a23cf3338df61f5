import assert from "node:assert/strict";
import { test } from "node:test";

import { Client, SettingError, ShrinkmeisterError } from "shrinkmeister";

const VALID = {
  secretKey: "the secret of the tests, which is long enough",
  serverUrl: "https://thumbs.example.com",
};

const invalid = {
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

for (const [name, values] of Object.entries(invalid)) {
  test(`an invalid ${name} is an error that names the setting and a fix`, async () => {
    for (const value of values) {
      await assert.rejects(Client.create({ ...VALID, [name]: value }), (error) => {
        assert.ok(error instanceof SettingError && error instanceof ShrinkmeisterError);
        assert.match(error.message, new RegExp(name));
        assert.match(error.message, /[;:] /); // The fix follows.
        return !/sss|😀/.test(error.message); // The message never contains a secret.
      });
    }
  });
}

test("an unknown setting is an error", async () => {
  await assert.rejects(Client.create({ ...VALID, secret: "x" }), /\bsecret; .*\bsecretKey, /);
  await assert.rejects(Client.create(), SettingError);
});

test("an error of resolutions names the invalid one", async () => {
  const resolutions = ["2", 1.5];
  await assert.rejects(Client.create({ ...VALID, resolutions }), /^SettingError: resolutions .*1\.5;/);
});

test("an undefined setting has its default", async () => {
  const names = Object.keys(invalid).filter((name) => !(name in VALID));
  await Client.create({ ...VALID, ...Object.fromEntries(names.map((name) => [name, undefined])) });
});

test("valid settings", async () => {
  await Client.create({
    ...VALID,
    secretKey: "😀 Zwölf Boxkämpfer jagen Viktor quer",
    prefix: "",
    keyPrefix: "",
    urlTtl: null,
    mget: null,
  });
  const url = async (serverUrl) =>
    (await Client.create({ ...VALID, serverUrl })).url("s3://photos/a.jpg", "300");
  assert.equal(await url("http://127.0.0.1:8001/a/b/"), await url("http://127.0.0.1:8001/a/b"));
  assert.match(await url("http://127.0.0.1:8001/a/b/"), /^http:\/\/127\.0\.0\.1:8001\/a\/b\/[\w-]+\.jpg$/);
});

test("without onError a failure of the cache is a warning", async (context) => {
  const warn = context.mock.method(console, "warn", () => {});
  const client = await Client.create({ ...VALID, mget: () => Promise.reject(new Error("refused")) });
  await client.thumbnail("s3://photos/a.jpg", "300");
  assert.match(warn.mock.calls[0].arguments[0].message, /5 s: refused/);
});
