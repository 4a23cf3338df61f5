import { DriverError } from "./errors.js";

// Seconds in which a cache that failed is not asked again, so that pages wait for a dead one once.
const BREAK = 5;

/** The shared cache: one that fails is a miss, and never an exception. */
export class SharedCache {
  #mget;
  #prefix;
  #timeout;
  #onError;
  // By `performance.now`, which goes on where the time of day is set back.
  #brokenUntil = -Infinity;

  /**
   * @param {(keys: string[]) => unknown} mget
   * @param {string} prefix stands before each key
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
   * The values of those keys that there are, in one round trip.
   *
   * @param {string[]} keys without the prefix
   * @returns {Promise<Map<string, string>>} by keys without the prefix
   */
  async fetch(keys) {
    if (performance.now() < this.#brokenUntil) return new Map();
    let values;
    try {
      values = texts(await this.#ask(keys.map((key) => this.#prefix + key)), keys.length);
    } catch (cause) {
      this.#brokenUntil = performance.now() + 1000 * BREAK;
      const reason = cause instanceof Error ? cause.message : String(cause);
      this.#onError(new DriverError(`the shared cache is not used for ${BREAK} s: ${reason}`, { cause }));
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
      // Twice: where something else has kept the thread busy for so long, an answer that has come
      // meanwhile is read between the two.
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
  if (!Array.isArray(values)) throw new Error(`mget gave a value of type ${typeof values}, and not an array`);
  if (values.length !== length) throw new Error(`mget gave ${values.length} values for ${length} keys`);
  return values.map((value) => {
    if (typeof value === "string") return value;
    if (value === null || value === undefined) return null;
    if (ArrayBuffer.isView(value)) return new TextDecoder("utf-8", { ignoreBOM: true }).decode(value);
    throw new Error(
      `mget gave a value of type ${typeof value}, and neither text nor bytes nor null; ` +
        "if the library parses JSON, turn that off (Upstash: automaticDeserialization: false)",
    );
  });
}
