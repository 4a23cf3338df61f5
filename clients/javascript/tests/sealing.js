import { base64url, utf8 } from "../src/bytes.js";
import { Seals } from "../src/records.js";

/**
 * What seals as the server does.
 *
 * @param {string} secret
 * @returns {Promise<(key: string, body: string) => Promise<string>>} of the record's key and its JSON
 */
export async function sealer(secret) {
  const mac = await Seals.key(secret);
  return async (key, body) => {
    const seal = await crypto.subtle.sign("HMAC", mac, utf8(`${key}\n${body}`));
    return `${body.slice(0, -1)},"m":"${base64url(new Uint8Array(seal, 0, 8))}"}`;
  };
}
