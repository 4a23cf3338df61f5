import { utf8 } from "./bytes.js";

/**
 * Return the key of a secret for one purpose, by HKDF-SHA256.
 *
 * @param {string} secret
 * @param {string} info the purpose
 * @param {number} length in bytes
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
export async function deriveKey(secret, info, length) {
  const subtle = crypto.subtle;
  const key = await subtle.importKey("raw", utf8(secret), "HKDF", false, ["deriveBits"]);
  const hkdf = { name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info: utf8(info) };
  return new Uint8Array(await subtle.deriveBits(hkdf, key, 8 * length));
}
