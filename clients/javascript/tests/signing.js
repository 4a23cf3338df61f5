import { base64url, utf8 } from "../src/bytes.js";
import { Signer } from "../src/records.js";

/**
 * Return a function that signs a record as the server does. It takes the record's key and its JSON.
 *
 * @param {string} secret
 * @returns {Promise<(key: string, body: string) => Promise<string>>}
 */
export async function signer(secret) {
  const secretKey = await Signer.key(secret);
  return async (key, body) => {
    const mac = await crypto.subtle.sign("HMAC", secretKey, utf8(`${key}\n${body}`));
    return `${body.slice(0, -1)},"m":"${base64url(new Uint8Array(mac, 0, 8))}"}`;
  };
}
