/**
 * The names under which a thumbnail is found again.
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
 * @param {string} canonical
 * @returns {Promise<string>} 32 characters of a-z and 2-7
 */
export async function digest(canonical) {
  const hash = await crypto.subtle.digest("SHA-256", utf8(canonical));
  return base32(new Uint8Array(hash, 0, 20));
}

/** @param {Spec} spec */
export const recordKey = async (spec) => `t1:${await digest(spec.canonical)}`;

/**
 * @param {Spec} spec
 * @param {string} prefix of the names of all objects
 * @param {string | Promise<string>} [key] of its record, where it is known
 * @returns {Promise<string>}
 */
export async function objectName(spec, prefix, key = recordKey(spec)) {
  const [source, record] = await Promise.all([digest(spec.source.canonical), key]);
  return `${prefix}${source}/${record.slice("t1:".length)}.${spec.extension}`;
}

/**
 * `.../name.jpg` -> `.../name@2x.jpg`
 *
 * @param {string} url or name of an object
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
