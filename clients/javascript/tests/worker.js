/** The tests inside workerd: all cases, and a cache that never answers. */

import { Client } from "../src/index.js";
import { cases } from "./cases.js";
import lookups from "./lookups.json";
import records from "./records.json";
import specs from "./specs.json";
import tokens from "./tokens.json";

export default {
  async test() {
    const all = cases({ specs, tokens, records, lookups });
    for (const { name, run } of all) {
      try {
        await run();
      } catch (cause) {
        throw new Error(`${name}: ${cause.message}`, { cause });
      }
    }
    await expectTimeout();
    console.log(`${all.length} cases`);
  },
};

async function expectTimeout() {
  const errors = [];
  const client = await Client.create({
    secretKey: tokens.secret,
    serverUrl: "https://thumbs.example.com",
    mget: () => new Promise(() => {}),
    cacheTimeout: 0.01,
    onError: (error) => errors.push(error.message),
  });
  const [thumbnail] = await client.thumbnails([{ source: "s3://photos/a.jpg", geometry: "300" }]);
  if (!thumbnail.lazy || !errors[0]?.includes("no answer within 0.01 s"))
    throw new Error(`errors: ${errors}`);
}
