import assert from "node:assert/strict";
import { test } from "node:test";

import { aessiv } from "@noble/ciphers/aes.js";
import { Client, SpecError, TokenError, TokenExpiredError } from "shrinkmeister";

import { base64url, utf8 } from "../src/bytes.js";
import { Tokens } from "../src/tokens.js";

const SECRET = "the secret of the tests, which is long enough";
const SPEC = '["s3","photos","dawn.jpg","300",{}]';
const URL = "https://thumbs.example.com/";

const client = await Client.create({ secretKey: SECRET, serverUrl: URL, clock: () => 1000 });
const key = await Tokens.key(SECRET);

/** Return a genuine token with any payload. */
const encrypted = (payload) => {
  const bytes = typeof payload === "string" ? utf8(payload) : payload;
  return base64url(Uint8Array.of(1, ...aessiv(key, Uint8Array.of(1)).encrypt(bytes)));
};

test("genuine tokens, and an expired one", () => {
  assert.equal(client.open(encrypted(SPEC)).canonical, SPEC);
  assert.equal(client.open(encrypted(`${SPEC.slice(0, -1)},1001]`)).canonical, SPEC);
  assert.throws(() => client.open(encrypted(`${SPEC.slice(0, -1)},1000]`)), TokenExpiredError);
});

for (const expires of ["2e3", "2000.0", " 2000", "2000 ", "02000", "2000,2000", "[2000]", "-0", ""]) {
  test(`the expiry time ${JSON.stringify(expires)} is invalid`, () => {
    assert.throws(() => client.open(encrypted(`${SPEC.slice(0, -1)},${expires}]`)), TokenError);
  });
}

test("bytes that decoders replace or drop", () => {
  const [start, end] = SPEC.split("dawn");
  for (const bytes of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xc0, 0xaf]]) {
    const payload = Uint8Array.of(...utf8(start), ...bytes, ...utf8(end));
    assert.throws(() => client.open(encrypted(payload)), TokenError);
  }
  assert.throws(() => client.open(encrypted(`\ufeff${SPEC}`)), TokenError);
  assert.equal(client.open(encrypted(SPEC.replace("dawn", "\ufeffdawn"))).source.name, "\ufeffdawn.jpg");
});

test("invalid tokens", () => {
  const lengths = [1, 2, 3, 4, 5, 22, 23, 24, 3801, 1e6].map((length) =>
    "AQ".repeat(length).slice(0, length),
  );
  for (const token of [undefined, null, 1, "é", "", ...lengths]) {
    assert.throws(() => client.open(token), TokenError);
  }
});

test("a token has at most 3800 characters", () => {
  const tokenOf = (length) =>
    client.url(`s3://photos/${"x".repeat(length)}`, "300").slice(URL.length, -".jpg".length);
  const most = 2850 - 17 - '["s3","photos","","300",{}]'.length;
  assert.equal(tokenOf(most).length, 3800);
  assert.equal(client.open(tokenOf(most)).source.name.length, most);
  assert.throws(() => tokenOf(most + 1), SpecError);
  assert.throws(() => tokenOf(1_000_000), SpecError);
});
