/**
 * @import { Options, Settings } from "../index.js"
 *
 * @typedef {{ [name in keyof Settings]-?: Exclude<Settings[name], undefined> }} Config with the defaults put in
 */

import { SettingError, SpecError, shown } from "./errors.js";
import { RESOLUTION } from "./keys.js";
import { plainOptions } from "./spec.js";
import { MIN_LENGTH, weakness } from "./strength.js";

// An end that lies further away may be none that tokens can have.
const MAX_SECONDS = 1e10;
const SERVER_URL = /^https?:\/\/[A-Za-z0-9.-]+(:[0-9]{1,5})?(\/[A-Za-z0-9._~-]+)*\/?$/;
const KEY_PREFIX = /^[!-~]{0,200}$/;
const PREFIX = /^((?!\.{0,2}\/)[^/\\\0]+\/)*(?!\.{1,2}$)[^/\\\0]*$/;

const HINT =
  "give client and server the same random text, for instance of: " +
  `node -p 'crypto.randomBytes(48).toString("base64url")'`;

/** @type {Config} */
const DEFAULTS = {
  secretKey: "",
  secretKeyFallbacks: [],
  serverUrl: "",
  keyPrefix: "shrinkmeister:",
  prefix: "cache/",
  checkTtl: 7 * 24 * 3600,
  urlTtl: null,
  resolutions: [],
  options: {},
  mget: null,
  cacheTimeout: 0.08,
  onError: (error) => console.warn(error),
  clock: () => Date.now() / 1000,
};

/**
 * Throws SettingError.
 *
 * @param {Settings} settings
 * @returns {Config}
 */
export function readSettings(settings) {
  if (typeof settings !== "object" || settings === null) {
    throw new SettingError(
      `the settings are ${shown(settings)}; give an object: { secretKey, serverUrl, ... }`,
    );
  }
  const given = Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
  for (const name of Object.keys(given)) {
    const names = Object.keys(DEFAULTS);
    if (!names.includes(name)) throw new SettingError(`unknown setting ${name}; one of ${names.join(", ")}`);
  }
  const all = { ...DEFAULTS, ...given };
  checkSecrets(all);
  check(all, "serverUrl", isText(SERVER_URL), "write it as text: https://thumbs.example.com");
  check(all, "keyPrefix", isText(KEY_PREFIX), "write up to 200 characters of ASCII without spaces");
  check(all, "prefix", isText(PREFIX), "write it as cache/, without a slash in front and without ..");
  check(all, "checkTtl", isSeconds, "write whole seconds, above 0 and up to 10^10");
  check(
    all,
    "urlTtl",
    (ttl) => ttl === null || isSeconds(ttl),
    "write whole seconds, above 0 and up to 10^10, or null for none",
  );
  const factors = 'list factors above 0 and up to 10 as text: ["2", "1.5"]';
  check(all, "resolutions", Array.isArray, factors);
  for (const one of all.resolutions) {
    if (!isResolution(one)) throw new SettingError(`resolutions has ${shown(one)}; ${factors}`);
  }
  check(
    all,
    "mget",
    (mget) => mget === null || isFunction(mget),
    "give a function from keys to their values",
  );
  check(
    all,
    "cacheTimeout",
    (timeout) => typeof timeout === "number" && timeout > 0 && timeout <= 60,
    "write seconds above 0 and up to 60",
  );
  check(all, "onError", isFunction, "give a function that is told of errors");
  check(all, "clock", isFunction, "give a function that tells the Unix time in seconds");
  return { ...all, serverUrl: all.serverUrl.replace(/\/$/, ""), options: siteOptions(all.options) };
}

/** @param {Options} options */
function siteOptions(options) {
  try {
    return plainOptions(options);
  } catch (error) {
    if (!(error instanceof SpecError)) throw error;
    throw new SettingError(`options: ${error.message}`, { cause: error });
  }
}

/**
 * Their values stay out of the messages: messages end up in logs.
 *
 * @param {Config} settings
 */
function checkSecrets({ secretKey, secretKeyFallbacks }) {
  if (!Array.isArray(secretKeyFallbacks)) {
    throw new SettingError(
      "secretKeyFallbacks is not an array; list the former secret keys, the latest first",
    );
  }
  checkSecret("secretKey", secretKey);
  // One that can be guessed may be a fallback, or no site could get rid of it.
  const weak = weakness(secretKey);
  if (weak) throw new SettingError(`secretKey can be guessed: it ${weak}; ${HINT}`);
  for (const secret of secretKeyFallbacks) checkSecret("a key in secretKeyFallbacks", secret);
}

/**
 * @param {string} name
 * @param {unknown} secret
 */
function checkSecret(name, secret) {
  if (typeof secret !== "string") throw new SettingError(`${name} is not text; ${HINT}`);
  const length = [...secret].length;
  if (!length) throw new SettingError(`${name} is not set; ${HINT}`);
  if (length < MIN_LENGTH) {
    throw new SettingError(
      `${name} has ${length} characters, and ${MIN_LENGTH} are the least; ${HINT}`,
    );
  }
  if (secret.trim() !== secret || /[\p{Cc}\p{Cs}]/u.test(secret)) {
    throw new SettingError(
      `${name} has whitespace at an end, or control characters or halves of surrogate pairs inside; remove ` +
        "them: an environment variable would lose them, and the sides would differ",
    );
  }
}

/**
 * @param {Config} settings
 * @param {keyof Settings} name
 * @param {(value: unknown) => boolean} isRight
 * @param {string} fix
 */
function check(settings, name, isRight, fix) {
  const given = settings[name];
  // An address may have a password.
  const value = typeof given === "string" ? given.replace(/(?<=:\/\/).*@/s, "***@") : given;
  if (!isRight(given))
    throw new SettingError(`${name} is ${value === "" ? "not set" : shown(value)}; ${fix}`);
}

/** @param {RegExp} form */
const isText = (form) => (/** @type {unknown} */ value) => typeof value === "string" && form.test(value);

/** @param {unknown} value */
const isFunction = (value) => typeof value === "function";

/** @param {unknown} value */
const isSeconds = (value) => Number.isSafeInteger(value) && Number(value) >= 1 && Number(value) <= MAX_SECONDS;

/** @param {unknown} value */
const isResolution = (value) => isText(RESOLUTION)(value) && Number(value) > 0 && Number(value) <= 10;
