import { DriverError } from "./errors.js";

// How long the breaker stays open, so that a page waits for a dead cache only once.
const BREAKER_SECONDS = 5;

/** The shared cache behind a breaker. A failure is a miss, and never an exception. */
export class SharedCache {
  #mget;
  #prefix;
  #timeout;
  #onError;
  // A time of `performance.now`, which the system's clock does not set back.
  #openUntil = -Infinity;

  /**
   * @param {(keys: string[]) => unknown} mget
   * @param {string} prefix prepended to each key
   * @param {number} timeout in seconds
   * @param {(error: DriverError) => void} onError
   */
  constructor(mget, prefix, timeout, onError) {
    this.#mget = mget;
    this.#prefix = prefix;
    this.#timeout = timeout;
    this.#onError = onError;
  }

  /**
   * Return the values of those keys that exist, in one round trip.
   *
   * @param {string[]} keys without the prefix
   * @returns {Promise<Map<string, string>>} by keys without the prefix
   */
  async fetch(keys) {
    if (performance.now() < this.#openUntil) return new Map();
    let values;
    try {
      values = texts(await this.#ask(keys.map((key) => this.#prefix + key)), keys.length);
    } catch (cause) {
      this.#openUntil = performance.now() + 1000 * BREAKER_SECONDS;
      const reason = cause instanceof Error ? cause.message : String(cause);
      const message = `the shared cache is not used for ${BREAKER_SECONDS} s: ${reason}`;
      this.#onError(new DriverError(message, { cause }));
      return new Map();
    }
    /** @type {Map<string, string>} */
    const found = new Map();
    values.forEach((value, i) => value !== null && found.set(keys[i], value));
    return found;
  }

  /** @param {string[]} names */
  async #ask(names) {
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    let timer;
    const timeout = new Promise((_, reject) => {
      const late = new Error(`no answer within ${this.#timeout} s`);
      // A second timer follows the first. If other code has kept the thread busy for that long, an answer
      // that has arrived is read between the two.
      timer = setTimeout(() => {
        timer = setTimeout(reject, 0, late);
      }, 1000 * this.#timeout);
    });
    try {
      return await Promise.race([this.#mget(names), timeout]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/**
 * @param {unknown} values
 * @param {number} length
 * @returns {(string | null)[]}
 */
function texts(values, length) {
  if (!Array.isArray(values)) {
    throw new Error(`mget returned a value of type ${typeof values}; return an array`);
  }
  if (values.length !== length) throw new Error(`mget returned ${values.length} values for ${length} keys`);
  return values.map((value) => {
    if (typeof value === "string") return value;
    if (value === null || value === undefined) return null;
    if (ArrayBuffer.isView(value)) return new TextDecoder("utf-8", { ignoreBOM: true }).decode(value);
    throw new Error(
      `mget returned a value of type ${typeof value}; return text, bytes or null. ` +
        "If the library parses JSON, turn that off (Upstash: automaticDeserialization: false)",
    );
  });
}
