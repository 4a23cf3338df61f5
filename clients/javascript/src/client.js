/**
 * @import { Options, Settings, Wanted } from "../index.js"
 * @import { Config } from "./settings.js"
 */

import { SharedCache } from "./cache.js";
import { RecordError } from "./errors.js";
import { objectName, recordKey, withResolution } from "./keys.js";
import { Signer, readThumbnail } from "./records.js";
import { readSettings } from "./settings.js";
import { Source, Spec, merged } from "./spec.js";
import { Tokens } from "./tokens.js";

// The Unix time of the last loss of objects: records verified before it are distrusted.
const DISTRUST_BEFORE_KEY = "doubt";

/** A thumbnail as a page shows it. */
export class Thumbnail {
  /**
   * @param {string} url
   * @param {{ width: number | null, height: number | null }} size
   * @param {boolean} lazy
   */
  constructor(url, size, lazy) {
    this.url = url;
    this.width = size.width;
    this.height = size.height;
    this.lazy = lazy;
  }

  /** @param {string} resolution */
  urlOf(resolution) {
    return withResolution(this.url, resolution);
  }
}

export class Client {
  #settings;
  #tokens;
  #signer;
  #cache;

  /**
   * @param {Config} settings
   * @param {Tokens} tokens
   * @param {Signer} signer
   */
  constructor(settings, tokens, signer) {
    const { mget, keyPrefix, cacheTimeout, onError } = settings;
    this.#settings = settings;
    this.#tokens = tokens;
    this.#signer = signer;
    this.#cache = mget && new SharedCache(mget, keyPrefix, cacheTimeout, onError);
  }

  /** @param {Settings} settings */
  static async create(settings) {
    const all = readSettings(settings);
    const secrets = [all.secretKey, ...all.secretKeyFallbacks];
    const tokenKeys = await Promise.all(secrets.map(Tokens.key));
    const signingKeys = await Promise.all(secrets.map(Signer.key));
    return new Client(all, new Tokens(tokenKeys, all.urlTtl, all.clock), new Signer(signingKeys));
  }

  /**
   * @param {string} source
   * @param {string} geometry
   * @param {Options} [options]
   */
  url(source, geometry, options) {
    return this.#lazyUrl(this.#spec(source, geometry, options));
  }

  /**
   * @param {string} source
   * @param {string} geometry
   * @param {Options} [options]
   */
  async thumbnail(source, geometry, options) {
    const [thumbnail] = await this.#lookUp([this.#spec(source, geometry, options)]);
    return thumbnail;
  }

  /** @param {readonly Wanted[]} wanted */
  async thumbnails(wanted) {
    return this.#lookUp(wanted.map(({ source, geometry, options }) => this.#spec(source, geometry, options)));
  }

  /**
   * @param {string} source
   * @param {string} geometry
   * @param {Options} [options]
   * @param {string} [resolution]
   */
  async objectName(source, geometry, options, resolution) {
    const name = await objectName(this.#spec(source, geometry, options), this.#settings.prefix);
    return resolution === undefined ? name : withResolution(name, resolution);
  }

  /** @param {string} token */
  open(token) {
    return this.#tokens.decrypt(token);
  }

  /**
   * @param {string} source
   * @param {string} geometry
   * @param {Options} [options]
   */
  #spec(source, geometry, options = {}) {
    return new Spec(Source.parse(source), geometry, merged(this.#settings.options, options));
  }

  /** @param {Spec} spec */
  #lazyUrl(spec) {
    return `${this.#settings.serverUrl}/${this.#tokens.encrypt(spec)}.${spec.extension}`;
  }

  /** @param {Spec[]} specs */
  async #lookUp(specs) {
    if (!this.#cache || !specs.length) {
      return specs.map((spec) => new Thumbnail(this.#lazyUrl(spec), spec.filledSize, true));
    }
    const keys = await Promise.all(specs.map(recordKey));
    const found = await this.#cache.fetch([...new Set(keys), DISTRUST_BEFORE_KEY]);
    const distrustBefore = moment(found.get(DISTRUST_BEFORE_KEY));
    return Promise.all(
      specs.map((spec, i) => this.#thumbnail(spec, keys[i], found.get(keys[i]), distrustBefore)),
    );
  }

  /**
   * @param {Spec} spec
   * @param {string} key the record's key
   * @param {string | undefined} value the cache's value for that key
   * @param {number} distrustBefore Unix time: records verified before it are distrusted
   */
  async #thumbnail(spec, key, value, distrustBefore) {
    const record = value === undefined ? null : await this.#read(key, value);
    if (record && record.base !== null && !this.#isStale(key, record.verifiedAt, distrustBefore)) {
      const stored = new Set(record.resolutions);
      if (this.#settings.resolutions.every((resolution) => stored.has(resolution))) {
        return new Thumbnail(record.base + (await objectName(spec, "", key)), record, false);
      }
    }
    return new Thumbnail(this.#lazyUrl(spec), record ?? spec.filledSize, true);
  }

  /**
   * @param {string} key
   * @param {string} value
   */
  async #read(key, value) {
    try {
      return readThumbnail(await this.#signer.unsign(key, value));
    } catch (error) {
      if (error instanceof RecordError) return null;
      throw error;
    }
  }

  /**
   * Return whether the server has to check the object of a record before pages use it.
   *
   * @param {string} key
   * @param {number} verifiedAt
   * @param {number} distrustBefore
   */
  #isStale(key, verifiedAt, distrustBefore) {
    const now = this.#settings.clock();
    // Each record gets stale at its own time in the second half of `checkTtl`. Otherwise all records of a
    // page would get stale at once.
    const share = 1 / 2 + parseInt(key.slice(3, 5), 36) / 2592;
    const isDistrusted = verifiedAt < distrustBefore && distrustBefore <= now;
    return now - verifiedAt >= this.#settings.checkTtl * share || isDistrusted;
  }
}

/**
 * Return the Unix time that a value contains; infinity for an invalid value.
 *
 * @param {string | undefined} value
 */
const moment = (value) => (value !== undefined && /^[0-9]{1,19}$/.test(value) ? Number(value) : Infinity);
