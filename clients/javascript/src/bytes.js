const encoder = new TextEncoder();

/** @param {string} text */
export const utf8 = (text) => encoder.encode(text);

/**
 * Without padding; with `btoa`, since Buffer is Node's alone.
 *
 * @param {Uint8Array} bytes a few thousand at most
 * @returns {string}
 */
export function base64url(bytes) {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

/**
 * @param {string} text of the alphabet of base64url alone, without padding, of a length that can be
 * @returns {Uint8Array<ArrayBuffer>}
 */
export function fromBase64url(text) {
  const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
  return Uint8Array.from(binary, (character) => character.charCodeAt(0));
}

const BASE32 = "abcdefghijklmnopqrstuvwxyz234567";

/**
 * In lower case.
 *
 * @param {Uint8Array} bytes a multiple of 5 of them, which need no padding
 * @returns {string}
 */
export function base32(bytes) {
  let text = "";
  let bits = 0;
  let value = 0;
  for (const byte of bytes) {
    // Never more than 12 bits are of use, and those beyond are masked away.
    value = (value << 8) | byte;
    for (bits += 8; bits >= 5; bits -= 5) text += BASE32[(value >>> (bits - 5)) & 31];
  }
  return text;
}
