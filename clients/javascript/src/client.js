/**
 * @import { Options, Settings, Wanted } from "../index.js"
 * @import { Config } from "./settings.js"
 */

import { SharedCache } from "./cache.js";
import { RecordError } from "./errors.js";
import { objectName, recordKey, withResolution } from "./keys.js";
import { Seals, readThumbnail } from "./records.js";
import { readSettings } from "./settings.js";
import { Source, Spec, inFront } from "./spec.js";
import { Tokens } from "./tokens.js";

const DOUBT_KEY = "doubt";

/** What stands in a page. */
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
  #seals;
  #cache;

  /**
   * @param {Config} settings
   * @param {Tokens} tokens
   * @param {Seals} seals
   */
  constructor(settings, tokens, seals) {
    const { mget, keyPrefix, cacheTimeout, onError } = settings;
    this.#settings = settings;
    this.#tokens = tokens;
    this.#seals = seals;
    this.#cache = mget && new SharedCache(mget, keyPrefix, cacheTimeout, onError);
  }

  /** @param {Settings} settings */
  static async create(settings) {
    const all = readSettings(settings);
    const secrets = [all.secretKey, ...all.secretKeyFallbacks];
    const tokenKeys = await Promise.all(secrets.map(Tokens.key));
    const sealKeys = await Promise.all(secrets.map(Seals.key));
    return new Client(all, new Tokens(tokenKeys, all.urlTtl, all.clock), new Seals(sealKeys));
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
    return this.#tokens.open(token);
  }

  /**
   * @param {string} source
   * @param {string} geometry
   * @param {Options} [options]
   */
  #spec(source, geometry, options = {}) {
    return new Spec(Source.parse(source), geometry, inFront(options, this.#settings.options));
  }

  /** @param {Spec} spec */
  #lazyUrl(spec) {
    return `${this.#settings.serverUrl}/${this.#tokens.seal(spec)}.${spec.extension}`;
  }

  /** @param {Spec[]} specs */
  async #lookUp(specs) {
    if (!this.#cache || !specs.length) {
      return specs.map((spec) => new Thumbnail(this.#lazyUrl(spec), spec.filled, true));
    }
    const keys = await Promise.all(specs.map(recordKey));
    const found = await this.#cache.fetch([...new Set(keys), DOUBT_KEY]);
    const doubt = moment(found.get(DOUBT_KEY));
    return Promise.all(specs.map((spec, i) => this.#thumbnail(spec, keys[i], found.get(keys[i]), doubt)));
  }

  /**
   * @param {Spec} spec
   * @param {string} key of its record
   * @param {string | undefined} value that lies there
   * @param {number} doubt Unix time before which records are not believed
   */
  async #thumbnail(spec, key, value, doubt) {
    const record = value === undefined ? null : await this.#read(key, value);
    if (record && record.base !== null && !this.#isDue(key, record.checked, doubt)) {
      const stored = new Set(record.resolutions);
      if (this.#settings.resolutions.every((resolution) => stored.has(resolution))) {
        return new Thumbnail(record.base + (await objectName(spec, "", key)), record, false);
      }
    }
    return new Thumbnail(this.#lazyUrl(spec), record ?? spec.filled, true);
  }

  /**
   * @param {string} key
   * @param {string} value
   */
  async #read(key, value) {
    try {
      return readThumbnail(await this.#seals.open(key, value));
    } catch (error) {
      if (error instanceof RecordError) return null;
      throw error;
    }
  }

  /**
   * Whether it is time for the server to look whether the thumbnail is still stored.
   *
   * @param {string} key
   * @param {number} checked
   * @param {number} doubt
   */
  #isDue(key, checked, doubt) {
    const now = this.#settings.clock();
    // Each after its own time, from half of it on: those of a page would all be due at once.
    const share = 1 / 2 + parseInt(key.slice(3, 5), 36) / 2592;
    return now - checked >= this.#settings.checkTtl * share || (checked < doubt && doubt <= now);
  }
}

/**
 * A Unix time; of what is none, the end of time.
 *
 * @param {string | undefined} value
 */
const moment = (value) => (value !== undefined && /^[0-9]{1,19}$/.test(value) ? Number(value) : Infinity);
