const encoder = new TextEncoder();

/** @param {string} text */
export const utf8 = (text) => encoder.encode(text);

const BASE64URL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";

/**
 * Return base64url without padding.
 *
 * @param {Uint8Array} bytes
 */
export const base64url = (bytes) => encode(bytes, BASE64URL, 6);

/**
 * Return base32 in lower case, without padding.
 *
 * @param {Uint8Array} bytes
 */
export const base32 = (bytes) => encode(bytes, BASE32, 5);

/**
 * Return the bytes of valid base64url.
 *
 * @param {string} text
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function fromBase64url(text) {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

/**
 * @param {Uint8Array} bytes
 * @param {string} alphabet
 * @param {number} size bits per character
 * @returns {string}
 */
function encode(bytes, alphabet, size) {
  const mask = (1 << size) - 1;
  let text = "";
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    // Bits that have been written are shifted out, or masked.
    value = (value << 8) | byte;
    for (bits += 8; bits >= size; bits -= size) text += alphabet[(value >>> (bits - size)) & mask];
  }
  return bits ? text + alphabet[(value << (size - bits)) & mask] : text;
}
