/**
 * The keys and object names of a thumbnail: pure functions of its spec.
 *
 *     await recordKey(spec)              t1:lbe73r7n...                   in the shared cache
 *     await objectName(spec, "cache/")   cache/ykl5.../lbe73r7n....jpg    in the bucket
 *     withResolution(name, "2")          cache/ykl5.../lbe73r7n...@2x.jpg
 *
 * @import { Spec } from "./spec.js"
 */

import { base32, utf8 } from "./bytes.js";
import { SpecError, shown } from "./errors.js";

export const RESOLUTION = /^[0-9]+(\.[0-9]+)?$/;

/**
 * Return 32 characters of a-z and 2-7.
 *
 * @param {string} canonical
 * @returns {Promise<string>}
 */
export async function digest(canonical) {
  const hash = await crypto.subtle.digest("SHA-256", utf8(canonical));
  return base32(new Uint8Array(hash, 0, 20));
}

/** @param {Spec} spec */
export const recordKey = async (spec) => `t1:${await digest(spec.canonical)}`;

/**
 * Return the name of a thumbnail's object in the bucket.
 *
 * @param {Spec} spec
 * @param {string} prefix the server's THUMBNAIL_PREFIX
 * @param {string | Promise<string>} [key] the record's key, if the caller has it
 * @returns {Promise<string>}
 */
export async function objectName(spec, prefix, key = recordKey(spec)) {
  const [source, record] = await Promise.all([digest(spec.source.canonical), key]);
  return `${prefix}${source}/${record.slice("t1:".length)}.${spec.extension}`;
}

/**
 * Return the URL at a resolution: `.../name@2x.jpg` for `.../name.jpg`.
 *
 * @param {string} url a URL, or an object's name
 * @param {string} resolution "2", "1.5"
 * @returns {string}
 */
export function withResolution(url, resolution) {
  if (!RESOLUTION.test(resolution)) {
    throw new SpecError(`the resolution is ${shown(resolution)}; write a factor as text: "2" or "1.5"`);
  }
  const point = url.lastIndexOf(".");
  return `${url.slice(0, point)}@${resolution}x${url.slice(point)}`;
}
