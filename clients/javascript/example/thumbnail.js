/**
 * Print a thumbnail as one line of JSON:
 *
 *     node example/thumbnail.js s3://photos/2024/dawn.jpg 300x200 crop=center quality=80
 *
 * The settings are environment variables with the names of the Django settings.
 */

import { createClient } from "redis";
import { Client, SettingError, SpecError } from "shrinkmeister";

const USAGE = "usage: thumbnail.js SOURCE GEOMETRY [name=value ...]";

/** @param {string | undefined} text parts, separated by commas */
const list = (text) =>
  text
    ?.split(",")
    .map((part) => part.trim())
    .filter(Boolean);

/** @param {string | undefined} text */
const number = (text) => (text ? Number(text) : undefined);

/** @param {string} text JSON, or any other text */
function value(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** @param {string[]} words `name=value` */
function options(words) {
  return Object.fromEntries(
    words.map((word) => {
      const [, name, text] = /^([^=]+)=([^]*)$/.exec(word) ?? [];
      if (!name) throw new SpecError(`"${word}" is not an option; write name=value`);
      return [name, value(text)];
    }),
  );
}

/** @param {string} url redis://host:port/db */
function redisClient(url) {
  try {
    return createClient({ url, socket: { connectTimeout: 1000, reconnectStrategy: false } });
  } catch {
    // The cause contains the URL, which may have a password.
    throw new SettingError("THUMBNAIL_CACHE_LOCATION is not a URL of Redis; write redis://host:port/db");
  }
}

/** @param {string} location */
async function connect(location) {
  const redis = redisClient(location);
  redis.on("error", (error) => console.error(`Redis: ${error.message || error.code}`));
  // The listener has reported the failure, and look-ups without a connection are misses.
  await redis.connect().catch(() => {});
  return redis;
}

async function main() {
  const [source, geometry, ...words] = process.argv.slice(2);
  if (geometry === undefined) throw new SpecError(USAGE);
  const env = process.env;
  const redis = env.THUMBNAIL_CACHE_LOCATION ? await connect(env.THUMBNAIL_CACHE_LOCATION) : null;
  try {
    const client = await Client.create({
      secretKey: env.THUMBNAIL_SECRET_KEY ?? "",
      secretKeyFallbacks: list(env.THUMBNAIL_SECRET_KEY_FALLBACKS),
      serverUrl: env.THUMBNAIL_SERVER_URL ?? "",
      keyPrefix: env.THUMBNAIL_CACHE_KEY_PREFIX,
      prefix: env.THUMBNAIL_PREFIX,
      checkTtl: number(env.THUMBNAIL_CHECK_TTL),
      urlTtl: number(env.THUMBNAIL_URL_TTL),
      resolutions: list(env.THUMBNAIL_ALTERNATIVE_RESOLUTIONS),
      cacheTimeout: number(env.THUMBNAIL_CACHE_WAIT_SECONDS),
      mget: redis && ((keys) => redis.mGet(keys)),
      onError: (error) => console.error(error.message),
    });
    console.log(JSON.stringify(await client.thumbnail(source, geometry, options(words))));
  } finally {
    redis?.destroy();
  }
}

try {
  await main();
} catch (error) {
  if (!(error instanceof SettingError || error instanceof SpecError)) throw error;
  console.error(error.message);
  process.exitCode = 2;
}
