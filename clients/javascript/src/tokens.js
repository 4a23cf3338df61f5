/**
 * A spec as an encrypted token, and back.
 *
 * The bytes of a token: version (1), then AES-256-SIV (RFC 5297) of the spec's canonical form, with the
 * version byte as associated data. SIV is deterministic: the same spec gives the same token on every host.
 */

import { aessiv } from "@noble/ciphers/aes.js";

import { base64url, fromBase64url, utf8 } from "./bytes.js";
import { SpecError, TokenError, TokenExpiredError } from "./errors.js";
import { derive } from "./secrets.js";
import { Spec } from "./spec.js";

const KEY_INFO = "shrinkmeister token 1";
const KEY_LENGTH = 64; // of AES-256-SIV
const VERSION = Uint8Array.of(1);
const TAG_LENGTH = 16;
const MAX_LENGTH = 3800;
const ALPHABET = /^[A-Za-z0-9_-]+$/;

/** Seals with the first secret, opens with any. */
export class Tokens {
  #keys;
  #urlTtl;
  #clock;

  /**
   * @param {Uint8Array[]} keys
   * @param {number | null} urlTtl seconds after which a token expires, at least
   * @param {() => number} clock Unix seconds
   */
  constructor(keys, urlTtl, clock) {
    this.#keys = keys;
    this.#urlTtl = urlTtl;
    this.#clock = clock;
  }

  /** @param {string} secret */
  static key(secret) {
    return derive(secret, KEY_INFO, KEY_LENGTH);
  }

  /**
   * Throws SpecError where the token would be longer than web servers take.
   *
   * @param {Spec} spec
   * @returns {string}
   */
  seal(spec) {
    let payload = spec.canonical;
    if (this.#urlTtl !== null) {
      // Rounded up to whole periods, so that a URL stays the same within one.
      payload = withEnd(payload, (Math.floor(this.#clock() / this.#urlTtl) + 2) * this.#urlTtl);
    }
    const plain = utf8(payload);
    const length = Math.ceil(((VERSION.length + TAG_LENGTH + plain.length) * 4) / 3);
    if (length > MAX_LENGTH) throw new SpecError(`a token of ${length} characters: more than ${MAX_LENGTH}`);
    const sealed = aessiv(this.#keys[0], VERSION).encrypt(plain);
    const data = new Uint8Array(VERSION.length + sealed.length);
    data.set(VERSION);
    data.set(sealed, VERSION.length);
    return base64url(data);
  }

  /**
   * Throws TokenError, or TokenExpiredError for one that was genuine.
   *
   * @param {string} token
   * @returns {Spec}
   */
  open(token) {
    const payload = this.#decrypt(bytesOf(token));
    /** @type {unknown} */
    let end;
    let spec;
    try {
      const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(payload);
      const fields = JSON.parse(text);
      end = Array.isArray(fields) && fields.length === 6 ? fields.pop() : undefined;
      if (end === undefined) return Spec.parse(text);
      if (!Number.isSafeInteger(end) || Number(end) < 1) throw new SpecError("the end is no point in time");
      spec = Spec.parse(JSON.stringify(fields));
      if (withEnd(spec.canonical, Number(end)) !== text) throw new SpecError("not in canonical form");
    } catch (error) {
      throw new TokenError("the token is ours, and what it holds is not a spec", { cause: error });
    }
    if (this.#clock() >= Number(end)) throw new TokenExpiredError(`the token expired at ${end}`);
    return spec;
  }

  /** @param {Uint8Array} data */
  #decrypt(data) {
    if (data[0] !== VERSION[0]) throw new TokenError("the token has an unknown version");
    for (const key of this.#keys) {
      try {
        return aessiv(key, VERSION).decrypt(data.subarray(VERSION.length));
      } catch {
        continue; // too short, or its tag does not fit: all that the cipher objects to
      }
    }
    throw new TokenError("the token was not sealed with a secret of this server");
  }
}

/**
 * @param {string} canonical
 * @param {number} end
 */
const withEnd = (canonical, end) => `${canonical.slice(0, -1)},${end}]`;

/** @param {string} token */
function bytesOf(token) {
  if (
    typeof token !== "string" ||
    token.length > MAX_LENGTH ||
    !ALPHABET.test(token) ||
    token.length % 4 === 1
  ) {
    throw new TokenError("the token is not base64url of a length that can be");
  }
  const data = fromBase64url(token);
  // Spare bits in the last character would give one thumbnail several URLs.
  if (base64url(data) !== token) throw new TokenError("the token is not in its one canonical form");
  return data;
}
