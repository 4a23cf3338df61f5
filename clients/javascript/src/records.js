/**
 * The records of the shared cache: JSON that ends with a signature.
 *
 *     t1:<digest>   {"v":1,"w":300,"h":200,"t":1795612345,"r":["2"],"u":"https://.../cache/","m":"..."}
 *     s1:<digest>   {"v":1,"w":4000,"h":3000,"f":1,"n":7,"m":"..."}
 *
 * @import { Value } from "../index.js"
 */

import { base64url, utf8 } from "./bytes.js";
import { RecordError } from "./errors.js";
import { RESOLUTION } from "./keys.js";
import { deriveKey } from "./secrets.js";

const VERSION = 1;
const MAX_PIXELS = 2 ** 31 - 1;
// A permanent URL has no query, since a URL with one is signed and expires. It has no characters that HTML
// has to escape, and no half of a surrogate pair. With the flag u, a whole pair is one character.
const URL = /^https?:\/\/[^?#<>"'&\\\x00-\x20\x7f\ud800-\udfff]+$/u;
// The pattern matches texts too, so that numbers inside texts are skipped.
const TEXT_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*/g;

const KEY_INFO = "shrinkmeister record 1";
const KEY_LENGTH = 32;
const SIGNATURE_LENGTH = 8; // bytes of HMAC-SHA256
const SIGNED = /^(\{[^]+),"m":"([A-Za-z0-9_-]{11})"\}$/;

/**
 * A thumbnail that is stored.
 *
 * @typedef {object} ThumbnailRecord
 * @property {number} width pixels of the written file
 * @property {number} height
 * @property {string | null} base its final URL without its object name; null in a private bucket
 * @property {string[]} resolutions the alternative resolutions that are stored too: ["2", "1.5"]
 * @property {number} verifiedAt Unix time when it was known to be stored; 0 if unknown
 */

/**
 * The size of a source, in pixels as they are stored.
 *
 * @typedef {object} SourceRecord
 * @property {number} width
 * @property {number} height
 * @property {boolean} flipped whether its EXIF orientation swaps width and height
 * @property {unknown} version the option `version` of the thumbnail that was made of it
 */

/** Accepts the signature of any of the secrets. Each signature covers a value and its key. */
export class Signer {
  #keys;

  /** @param {CryptoKey[]} keys */
  constructor(keys) {
    this.#keys = keys;
  }

  /** @param {string} secret */
  static async key(secret) {
    const key = await deriveKey(secret, KEY_INFO, KEY_LENGTH);
    return crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  }

  /**
   * Return the record without its signature. Throws RecordError if the signature does not fit the key.
   *
   * @param {string} key the record's key, without the prefix
   * @param {string} signed
   * @returns {Promise<string>}
   */
  async unsign(key, signed) {
    const [, members, signature] = SIGNED.exec(signed) ?? [];
    if (signature) {
      const body = `${members}}`;
      for (const secret of this.#keys) {
        const mac = await crypto.subtle.sign("HMAC", secret, utf8(`${key}\n${body}`));
        if (areEqual(signature, base64url(new Uint8Array(mac, 0, SIGNATURE_LENGTH)))) return body;
      }
    }
    throw new RecordError("the value has no valid signature");
  }
}

/**
 * Return the record of a thumbnail. Throws RecordError.
 *
 * @param {string} text the record without its signature
 * @returns {ThumbnailRecord}
 */
export function readThumbnail(text) {
  const { w, h, t, r, u } = read(text);
  if (u !== undefined && !(typeof u === "string" && URL.test(u))) {
    throw new RecordError("the URL is not a permanent http(s) URL");
  }
  if (r !== undefined && !areResolutions(r)) {
    throw new RecordError("the resolutions are not a list of factors");
  }
  if (t !== undefined && !isWithin(t, Number.MAX_SAFE_INTEGER)) {
    throw new RecordError("the time is not a number of seconds");
  }
  return { width: pixels(w), height: pixels(h), base: u ?? null, resolutions: r ?? [], verifiedAt: t ?? 0 };
}

/**
 * Return the record of a source. Throws RecordError.
 *
 * @param {string} text the record without its signature
 * @returns {SourceRecord}
 */
export function readSource(text) {
  const { w, h, f, n } = read(text);
  if (f !== undefined && f !== 1) throw new RecordError("the flag for flipped sources is not 1");
  return { width: pixels(w), height: pixels(h), flipped: f === 1, version: n ?? null };
}

/**
 * @param {string} text
 * @returns {{ [member: string]: Value | undefined }}
 */
function read(text) {
  let fields;
  try {
    JSON.parse(text);
    // Numbers of a record have no point and no exponent, but JSON.parse reads 300.0 as 300. So such numbers
    // are replaced with null, which only unknown members may be.
    fields = JSON.parse(
      text.replace(TEXT_OR_NUMBER, (token) => (/^[^"]*[.eE]/.test(token) ? "null" : token)),
    );
  } catch (error) {
    throw new RecordError("the value is not JSON", { cause: error });
  }
  if (typeof fields !== "object" || fields === null || fields.v !== VERSION) {
    throw new RecordError(`the value is not a record of version ${VERSION}`);
  }
  return fields;
}

/**
 * @param {unknown} value
 * @returns {number}
 */
function pixels(value) {
  if (!isWithin(value, MAX_PIXELS)) throw new RecordError("the width or the height is not a number of pixels");
  return value;
}

/**
 * Return whether a value is an integer from 1 to `most`.
 *
 * @param {unknown} value
 * @param {number} most
 * @returns {value is number}
 */
const isWithin = (value, most) => Number.isInteger(value) && Number(value) >= 1 && Number(value) <= most;

/**
 * @param {unknown} value
 * @returns {value is string[]}
 */
const areResolutions = (value) =>
  Array.isArray(value) && value.length > 0 && value.every((r) => typeof r === "string" && RESOLUTION.test(r));

/**
 * Compare two texts in constant time.
 *
 * @param {string} one
 * @param {string} other of the same length
 */
function areEqual(one, other) {
  let difference = 0;
  for (let i = 0; i < one.length; i++) difference |= one.charCodeAt(i) ^ other.charCodeAt(i);
  return difference === 0;
}
