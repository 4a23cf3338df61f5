/**
 * A spec as an encrypted token, and back.
 *
 * The bytes of a token: version (1), then AES-256-SIV (RFC 5297) of the spec's canonical form, with the
 * version byte as associated data. SIV is deterministic: the same spec gives the same token on every host.
 */

import { aessiv } from "@noble/ciphers/aes.js";

import { base64url, fromBase64url, utf8 } from "./bytes.js";
import { SpecError, TokenError, TokenExpiredError } from "./errors.js";
import { deriveKey } from "./secrets.js";
import { Spec } from "./spec.js";

const KEY_INFO = "shrinkmeister token 1";
const KEY_LENGTH = 64; // AES-256-SIV takes two keys of 256 bits.
const VERSION = Uint8Array.of(1);
const TAG_LENGTH = 16;
const MAX_LENGTH = 3800;
const ALPHABET = /^[A-Za-z0-9_-]+$/;

/** Encrypts with the first secret and decrypts with any. */
export class Tokens {
  #keys;
  #urlTtl;
  #clock;

  /**
   * @param {Uint8Array[]} keys
   * @param {number | null} urlTtl the shortest life of a token, in seconds; null: tokens do not expire
   * @param {() => number} clock Unix seconds
   */
  constructor(keys, urlTtl, clock) {
    this.#keys = keys;
    this.#urlTtl = urlTtl;
    this.#clock = clock;
  }

  /** @param {string} secret */
  static key(secret) {
    return deriveKey(secret, KEY_INFO, KEY_LENGTH);
  }

  /**
   * Return the token of a spec. Throws SpecError if it is longer than web servers accept.
   *
   * @param {Spec} spec
   * @returns {string}
   */
  encrypt(spec) {
    let payload = spec.canonical;
    if (this.#urlTtl !== null) {
      // The expiry time is rounded up to whole periods, so that a URL stays the same within a period.
      payload = withExpiry(payload, (Math.floor(this.#clock() / this.#urlTtl) + 2) * this.#urlTtl);
    }
    const plain = utf8(payload);
    const length = Math.ceil(((VERSION.length + TAG_LENGTH + plain.length) * 4) / 3);
    if (length > MAX_LENGTH) throw new SpecError(`the token has ${length} characters, more than ${MAX_LENGTH}`);
    const encrypted = aessiv(this.#keys[0], VERSION).encrypt(plain);
    const data = new Uint8Array(VERSION.length + encrypted.length);
    data.set(VERSION);
    data.set(encrypted, VERSION.length);
    return base64url(data);
  }

  /**
   * Return the spec of a token. Throws TokenError, or TokenExpiredError for a genuine token.
   *
   * @param {string} token
   * @returns {Spec}
   */
  decrypt(token) {
    const payload = this.#payload(bytesOf(token));
    /** @type {unknown} */
    let expires;
    let spec;
    try {
      const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(payload);
      const fields = JSON.parse(text);
      expires = Array.isArray(fields) && fields.length === 6 ? fields.pop() : undefined;
      if (expires === undefined) return Spec.parse(text);
      if (!Number.isSafeInteger(expires) || Number(expires) < 1) {
        throw new SpecError("the expiry time is not a point in time");
      }
      spec = Spec.parse(JSON.stringify(fields));
      if (withExpiry(spec.canonical, Number(expires)) !== text) {
        throw new SpecError("not the canonical form of a thumbnail spec");
      }
    } catch (error) {
      throw new TokenError("the token is genuine, but its content is not a spec", { cause: error });
    }
    if (this.#clock() >= Number(expires)) throw new TokenExpiredError(`the token expired at ${expires}`);
    return spec;
  }

  /** @param {Uint8Array} data */
  #payload(data) {
    if (data[0] !== VERSION[0]) throw new TokenError("the token has an unknown version");
    for (const key of this.#keys) {
      try {
        return aessiv(key, VERSION).decrypt(data.subarray(VERSION.length));
      } catch {
        continue; // The cipher rejects only data that is too short, and tags that do not fit.
      }
    }
    throw new TokenError("the token was not encrypted with a known secret");
  }
}

/**
 * @param {string} canonical
 * @param {number} expires
 */
const withExpiry = (canonical, expires) => `${canonical.slice(0, -1)},${expires}]`;

/** @param {string} token */
function bytesOf(token) {
  if (
    typeof token !== "string" ||
    token.length > MAX_LENGTH ||
    !ALPHABET.test(token) ||
    token.length % 4 === 1
  ) {
    throw new TokenError("the token is not base64url, or its length is impossible");
  }
  const data = fromBase64url(token);
  // Spare bits in the last character would give one thumbnail several URLs.
  if (base64url(data) !== token) throw new TokenError("the token is not in its canonical form");
  return data;
}
