/**
 * @import { Options, Settings } from "../index.js"
 *
 * @typedef {{ [name in keyof Settings]-?: Exclude<Settings[name], undefined> }} Config with defaults
 */

import { SettingError, SpecError, shown } from "./errors.js";
import { RESOLUTION } from "./keys.js";
import { plainOptions } from "./spec.js";
import { MIN_LENGTH, weakness } from "./strength.js";

// Later expiry times do not fit into a token.
const MAX_SECONDS = 1e10;
const SERVER_URL = /^https?:\/\/[A-Za-z0-9.-]+(:[0-9]{1,5})?(\/[A-Za-z0-9._~-]+)*\/?$/;
const KEY_PREFIX = /^[!-~]{0,200}$/;
const PREFIX = /^((?!\.{0,2}\/)[^/\\\0]+\/)*(?!\.{1,2}$)[^/\\\0]*$/;

const HINT =
  "give client and server the same random text, for example from: " +
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
 * Return the settings with defaults. Throws SettingError.
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
  const serverUrlFix = 'write the URL of the thumbnail server, such as "https://thumbs.example.com"';
  check(all, "serverUrl", isText(SERVER_URL), serverUrlFix);
  check(all, "keyPrefix", isText(KEY_PREFIX), "use at most 200 ASCII characters without spaces");
  const prefixFix = 'write a folder such as "cache/", without "..", "//", a backslash or a leading slash';
  check(all, "prefix", isText(PREFIX), prefixFix);
  check(all, "checkTtl", isSeconds, "write whole seconds, above 0 and up to 10^10");
  check(
    all,
    "urlTtl",
    (ttl) => ttl === null || isSeconds(ttl),
    "write whole seconds, above 0 and up to 10^10, or null for no expiry",
  );
  const factors = 'list factors above 0 and up to 10 as text: ["2", "1.5"]';
  check(all, "resolutions", Array.isArray, factors);
  for (const one of all.resolutions) {
    if (!isResolution(one)) throw new SettingError(`resolutions contains ${shown(one)}; ${factors}`);
  }
  check(
    all,
    "mget",
    (mget) => mget === null || isFunction(mget),
    "give a function that takes keys and returns their values",
  );
  check(
    all,
    "cacheTimeout",
    (timeout) => typeof timeout === "number" && timeout > 0 && timeout <= 60,
    "write seconds above 0 and up to 60",
  );
  check(all, "onError", isFunction, "give a function that receives errors");
  check(all, "clock", isFunction, "give a function that returns the Unix time in seconds");
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
 * Throw SettingError without the secrets in its message, since messages end up in logs.
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
  // A fallback may be weak. Otherwise a site could not replace a weak secret.
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
      `${name} has ${length} characters, and the minimum is ${MIN_LENGTH}; ${HINT}`,
    );
  }
  if (secret.trim() !== secret || /[\p{Cc}\p{Cs}]/u.test(secret)) {
    throw new SettingError(
      `${name} contains control characters or halves of surrogate pairs, or whitespace at an end; remove ` +
        "them, since an environment variable would lose them, and client and server would differ",
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
  // A URL may contain a password.
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
