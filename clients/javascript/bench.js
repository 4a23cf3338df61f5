/**
 * Measure how many lazy URLs and recorded thumbnails one thread makes per second:
 *
 *     node bench.js
 *     {"urls":...,"recorded":...}
 */

import { Client } from "shrinkmeister";

import { recordKey } from "./src/keys.js";
import { Source, Spec } from "./src/spec.js";
import { signer } from "./tests/signing.js";

const SECONDS = 2;
const SPECS = 10_000;
const PAGE = 100;
const secretKey = "the secret of the bench, which is long enough";
const wanted = Array.from({ length: SPECS }, (_, n) => ({
  source: `s3://photos/2024/${n}.jpg`,
  geometry: "300x200",
  options: { crop: "center" },
}));

/** Return the thumbnails per second. `step` takes an index, and makes `size` thumbnails from there. */
async function rate(size, step) {
  const run = async (seconds) => {
    let made = 0;
    const start = performance.now();
    while (performance.now() - start < 1000 * seconds) {
      await step(made % SPECS);
      made += size;
    }
    return made / ((performance.now() - start) / 1000);
  };
  await run(SECONDS / 2);
  return Math.round(await run(SECONDS));
}

async function recordedClient() {
  const sign = await signer(secretKey);
  const verifiedAt = Math.floor(Date.now() / 1000);
  const record = `{"v":1,"w":300,"h":200,"t":${verifiedAt},"u":"https://thumbs.s3.amazonaws.com/cache/"}`;
  const values = new Map();
  for (const { source, geometry, options } of wanted) {
    const key = await recordKey(new Spec(Source.parse(source), geometry, options));
    values.set(`shrinkmeister:${key}`, await sign(key, record));
  }
  const mget = async (keys) => keys.map((key) => values.get(key) ?? null);
  return Client.create({ secretKey, serverUrl: "https://thumbs.example.com", mget });
}

const client = await recordedClient();
const urls = await rate(PAGE, (from) => {
  for (const { source, geometry, options } of wanted.slice(from, from + PAGE))
    client.url(source, geometry, options);
});
const recorded = await rate(PAGE, async (from) => {
  const thumbnails = await client.thumbnails(wanted.slice(from, from + PAGE));
  if (thumbnails.some(({ lazy }) => lazy)) throw new Error("a recorded thumbnail is lazy");
});
console.log(JSON.stringify({ urls, recorded }));
