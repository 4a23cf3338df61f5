/**
 * What the shared cache holds: JSON that ends with a seal, which shows that the server wrote it.
 *
 *     t1:<digest>   {"v":1,"w":300,"h":200,"t":1795612345,"r":["2"],"u":"https://.../cache/","m":"..."}
 *     s1:<digest>   {"v":1,"w":4000,"h":3000,"f":1,"n":7,"m":"..."}
 *
 * @import { Value } from "../index.js"
 */

import { base64url, utf8 } from "./bytes.js";
import { RecordError } from "./errors.js";
import { RESOLUTION } from "./keys.js";
import { derive } from "./secrets.js";

const VERSION = 1;
const MAX_PIXELS = 2 ** 31 - 1;
// No query: a URL that has one is signed, and ends. Nothing that HTML would have to escape. Nor half of a
// surrogate pair: with the flag u, whole pairs are one character.
const URL = /^https?:\/\/[^?#<>"'&\\\x00-\x20\x7f\ud800-\udfff]+$/u;
// Texts, which are stepped over, and numbers.
const TEXT_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*/g;

const KEY_INFO = "shrinkmeister record 1";
const KEY_LENGTH = 32;
const SEAL_LENGTH = 8; // of HMAC-SHA256
const SEALED = /^(\{[^]+),"m":"([A-Za-z0-9_-]{11})"\}$/;

/**
 * A thumbnail that is safely stored.
 *
 * @typedef {object} ThumbnailRecord
 * @property {number} width pixels of the written file
 * @property {number} height
 * @property {string | null} base its final URL up to its name; null in a private bucket
 * @property {string[]} resolutions the alternative resolutions that are stored beside it: ["2", "1.5"]
 * @property {number} checked Unix time when it was known to be stored; 0 where nobody has said
 */

/**
 * The size of a source, in pixels as they are stored.
 *
 * @typedef {object} SourceRecord
 * @property {number} width
 * @property {number} height
 * @property {boolean} flipped whether its EXIF orientation exchanges width and height
 * @property {unknown} version the option `version` of the thumbnail for which it was read
 */

/** Believes what was sealed with any of the secrets. */
export class Seals {
  #keys;

  /** @param {CryptoKey[]} keys */
  constructor(keys) {
    this.#keys = keys;
  }

  /** @param {string} secret */
  static async key(secret) {
    const key = await derive(secret, KEY_INFO, KEY_LENGTH);
    return crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  }

  /**
   * The record without its seal. Throws RecordError for what was not sealed for that key.
   *
   * @param {string} key under which it lies, without the prefix
   * @param {string} sealed
   * @returns {Promise<string>}
   */
  async open(key, sealed) {
    const [, members, seal] = SEALED.exec(sealed) ?? [];
    if (seal) {
      const body = `${members}}`;
      for (const secret of this.#keys) {
        const mac = await crypto.subtle.sign("HMAC", secret, utf8(`${key}\n${body}`));
        if (areEqual(seal, base64url(new Uint8Array(mac, 0, SEAL_LENGTH)))) return body;
      }
    }
    throw new RecordError("what was not written with a secret of ours");
  }
}

/**
 * Throws RecordError.
 *
 * @param {string} text without the seal
 * @returns {ThumbnailRecord}
 */
export function readThumbnail(text) {
  const { w, h, t, r, u } = read(text);
  if (u !== undefined && !(typeof u === "string" && URL.test(u))) {
    throw new RecordError("a record whose URL is not a lasting one of http(s)");
  }
  if (r !== undefined && !areResolutions(r)) {
    throw new RecordError("a record whose resolutions are not a list of factors");
  }
  if (t !== undefined && !isWithin(t, Number.MAX_SAFE_INTEGER)) {
    throw new RecordError("a record whose time is not a number of seconds");
  }
  return { width: pixels(w), height: pixels(h), base: u ?? null, resolutions: r ?? [], checked: t ?? 0 };
}

/**
 * Throws RecordError.
 *
 * @param {string} text without the seal
 * @returns {SourceRecord}
 */
export function readSource(text) {
  const { w, h, f, n } = read(text);
  if (f !== undefined && f !== 1)
    throw new RecordError("a record of a source that is neither turned nor not");
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
    // No number of a record has a point or an exponent, and JSON.parse would hide that: 300.0 is 300 to it.
    // So those become null, which no member may be, except those that we do not know.
    fields = JSON.parse(
      text.replace(TEXT_OR_NUMBER, (token) => (/^[^"]*[.eE]/.test(token) ? "null" : token)),
    );
  } catch (error) {
    throw new RecordError("not JSON", { cause: error });
  }
  if (typeof fields !== "object" || fields === null || fields.v !== VERSION) {
    throw new RecordError(`not a record of version ${VERSION}`);
  }
  return fields;
}

/**
 * @param {unknown} value
 * @returns {number}
 */
function pixels(value) {
  if (!isWithin(value, MAX_PIXELS)) throw new RecordError("a record whose size is not a number of pixels");
  return value;
}

/**
 * @param {unknown} value
 * @param {number} most
 * @returns {value is number} whether it is an integer from 1 to that
 */
const isWithin = (value, most) => Number.isInteger(value) && Number(value) >= 1 && Number(value) <= most;

/**
 * @param {unknown} value
 * @returns {value is string[]}
 */
const areResolutions = (value) =>
  Array.isArray(value) && value.length > 0 && value.every((r) => typeof r === "string" && RESOLUTION.test(r));

/**
 * In constant time.
 *
 * @param {string} one
 * @param {string} other of the same length
 */
function areEqual(one, other) {
  let difference = 0;
  for (let i = 0; i < one.length; i++) difference |= one.charCodeAt(i) ^ other.charCodeAt(i);
  return difference === 0;
}
