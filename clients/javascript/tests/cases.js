/** The vectors of the repository as test cases, for any runtime. */

import { utf8 } from "../src/bytes.js";
import { RecordError, SettingError, SpecError, TokenError, TokenExpiredError } from "../src/errors.js";
import { Client } from "../src/index.js";
import { digest, objectName, recordKey, withResolution } from "../src/keys.js";
import { Signer, readSource, readThumbnail } from "../src/records.js";
import { deriveKey } from "../src/secrets.js";
import { Source, Spec } from "../src/spec.js";
import { Tokens } from "../src/tokens.js";

/** @returns {{ name: string, run: () => void | Promise<void> }[]} */
export function cases({ specs, tokens, records, lookups }) {
  return [
    ...named("spec", specs.valid, validSpec),
    ...named("invalid spec", specs.invalid, ({ canonical }) => throws(SpecError, () => Spec.parse(canonical))),
    ...named("refused spec", specs.refused, ({ source, geometry, options }) =>
      throws(SpecError, () => new Spec(new Source(...source), geometry, options)),
    ),
    ...named("source", specs.sources, ({ text, source }) => {
      const { scheme, container, name } = Source.parse(text);
      equal([scheme, container, name], source);
    }),
    ...named("invalid source", specs.invalid_sources, (text) => throws(SpecError, () => Source.parse(text))),
    ...named("key", tokens.keys, async ({ secret, key }) => equal(hex(await Tokens.key(secret)), key)),
    ...named("token", tokens.valid, validToken),
    ...named("too long", tokens.too_long, async ({ canonical }) => {
      const encrypting = await tokensOf([tokens.secret]);
      throws(SpecError, () => encrypting.encrypt(Spec.parse(canonical)));
    }),
    ...named("invalid secret", tokens.invalid_secrets, async (secret) => {
      const serverUrl = "https://thumbs.example.com";
      await rejects(SettingError, Client.create({ secretKey: secret, serverUrl }));
      const secretKeyFallbacks = [secret];
      await rejects(
        SettingError,
        Client.create({ secretKey: tokens.secret, secretKeyFallbacks, serverUrl }),
      );
    }),
    ...named("weak secret", tokens.weak_secrets, async (secret) => {
      const serverUrl = "https://thumbs.example.com";
      await rejects(SettingError, Client.create({ secretKey: secret, serverUrl }));
      await Client.create({ secretKey: tokens.secret, secretKeyFallbacks: [secret], serverUrl });
    }),
    ...named("strong secret", tokens.strong_secrets, async (secret) => {
      await Client.create({ secretKey: secret, serverUrl: "https://thumbs.example.com" });
    }),
    ...named("fallback", tokens.fallbacks, async ({ secrets, token, canonical }) => {
      equal((await tokensOf(secrets)).decrypt(token).canonical, canonical);
    }),
    ...named("expiring token", tokens.expiring, expiringToken),
    ...named("expired token", tokens.expired, async ({ token, now }) => {
      const decrypting = await tokensOf([tokens.secret], now);
      throws(TokenExpiredError, () => decrypting.decrypt(token));
    }),
    ...named("invalid token", tokens.invalid, async ({ token }) => {
      const decrypting = await tokensOf([tokens.secret]);
      throws(TokenError, () => decrypting.decrypt(token));
    }),
    ...named("record", records.thumbnails, ({ width, height, base, resolutions, checked, record }) => {
      equal(readThumbnail(record), { width, height, base, resolutions, verifiedAt: checked });
    }),
    ...named("record of a source", records.sources, ({ width, height, flipped, version = null, record }) => {
      equal(readSource(record), { width, height, flipped, version });
    }),
    ...named("invalid record", records.invalid, ({ kind, record }) => {
      if (kind !== "source") throws(RecordError, () => readThumbnail(record));
      if (kind !== "thumbnail") throws(RecordError, () => readSource(record));
    }),
    ...named("signing key", [records.seals], async ({ secret, key }) => {
      equal(hex(await deriveKey(secret, "shrinkmeister record 1", 32)), key);
    }),
    ...named("signature", records.seals.valid, async ({ under, sealed, record }) => {
      const signer = new Signer([
        await Signer.key(lookups.config.secrets[1]),
        await Signer.key(records.seals.secret),
      ]);
      equal(await signer.unsign(under, sealed), record);
    }),
    ...named("invalid signature", records.seals.invalid, async ({ under, sealed }) => {
      const signer = new Signer([await Signer.key(records.seals.secret)]);
      await rejects(RecordError, signer.unsign(under, sealed));
    }),
    ...named("look-up", lookups.vectors, (vector) => lookUp(lookups, vector)),
  ];
}

async function validSpec(vector) {
  const spec = new Spec(new Source(...vector.source), vector.geometry, vector.options);
  equal(spec.canonical, vector.canonical);
  equal(Spec.parse(vector.canonical).canonical, vector.canonical);
  equal(
    hex(new Uint8Array(await crypto.subtle.digest("SHA-256", utf8(spec.canonical)))),
    vector.canonical_sha256,
  );
  equal(await recordKey(spec), vector.record_key);
  equal(`l1:${await digest(spec.canonical)}`, vector.lock_key);
  equal(`s1:${await digest(spec.source.canonical)}`, vector.source_key);
  equal(await objectName(spec, "cache/"), vector.object_name);
  equal(withResolution(vector.object_name, "2"), vector.object_name_2x);
}

async function validToken({ secret, canonical, token }) {
  const both = await tokensOf([secret]);
  equal(both.encrypt(Spec.parse(canonical)), token);
  equal(both.decrypt(token).canonical, canonical);
}

async function expiringToken({ secret, canonical, token, now, url_ttl, expires }) {
  equal((await tokensOf([secret], now, url_ttl)).encrypt(Spec.parse(canonical)), token);
  equal((await tokensOf([secret], expires - 1)).decrypt(token).canonical, canonical);
  const late = await tokensOf([secret], expires);
  throws(TokenExpiredError, () => late.decrypt(token));
}

async function lookUp(all, vector) {
  const config = { ...all.config, ...vector.config };
  const [secretKey, ...secretKeyFallbacks] = config.secrets;
  for (const convert of [(text) => text, utf8]) {
    const client = await Client.create({
      secretKey,
      secretKeyFallbacks,
      serverUrl: config.server_url,
      keyPrefix: config.key_prefix,
      prefix: config.prefix,
      checkTtl: config.check_ttl,
      urlTtl: config.url_ttl,
      resolutions: config.resolutions,
      options: config.options,
      mget: async (keys) => keys.map((key) => (key in vector.cache ? convert(vector.cache[key]) : null)),
      onError: (error) => {
        throw error;
      },
      clock: () => vector.now ?? all.now,
    });
    const thumbnail = await client.thumbnail(vector.source, vector.geometry, vector.options);
    const { url, width, height, lazy, urls = {} } = vector;
    equal(thumbnail, { url, width, height, lazy });
    for (const [resolution, expected] of Object.entries(urls)) equal(thumbnail.urlOf(resolution), expected);
  }
}

async function tokensOf(secrets, now = 0, urlTtl = null) {
  return new Tokens(await Promise.all(secrets.map(Tokens.key)), urlTtl, () => now);
}

function named(kind, vectors, run) {
  return vectors.map((vector, i) => ({
    name: `${kind}: ${vector.description ?? JSON.stringify(vector.text ?? i)}`,
    run: () => run(vector),
  }));
}

const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

function equal(value, expected) {
  const [one, other] = [JSON.stringify(value), JSON.stringify(expected)];
  if (one !== other) throw new Error(`got ${one}, expected ${other}`);
}

function throws(kind, call) {
  try {
    call();
  } catch (error) {
    if (error.constructor === kind) return;
    throw error;
  }
  throw new Error(`${kind.name} was not thrown`);
}

const rejects = (kind, promise) =>
  promise.then(
    () => throws(kind, () => {}),
    (error) =>
      throws(kind, () => {
        throw error;
      }),
  );
