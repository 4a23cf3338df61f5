import { base64url, utf8 } from "../src/bytes.js";
import { Seals } from "../src/records.js";

/** What the server writes under a key. @returns {Promise<(key: string, record: object) => Promise<string>>} */
export async function sealer(secret) {
  const mac = await Seals.key(secret);
  return async (key, record) => {
    const body = JSON.stringify(record);
    const seal = await crypto.subtle.sign("HMAC", mac, utf8(`${key}\n${body}`));
    return `${body.slice(0, -1)},"m":"${base64url(new Uint8Array(seal, 0, 8))}"}`;
  };
}
