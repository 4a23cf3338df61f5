/**
 * What travels between client and server: which thumbnail, of what.
 *
 *     new Spec(Source.parse("s3://photos/2024/dawn.jpg"), "300x200", { crop: "center" }).canonical
 *     '["s3","photos","2024/dawn.jpg","300x200",{"crop":"center"}]'
 *
 * @import { Options, Value } from "../index.js"
 */

import { SpecError, shown } from "./errors.js";

/**
 * Options that a spec leaves out when they have these values. A map, since options may have the names of
 * what each object has: `constructor`.
 *
 * @type {ReadonlyMap<string, Value>}
 */
const DEFAULTS = new Map(
  Object.entries({
    format: "JPEG",
    quality: 95,
    colorspace: "RGB",
    upscale: true,
    crop: false,
    cropbox: null,
    rounded: null,
    padding: false,
    padding_color: "#ffffff",
    progressive: true,
    orientation: true,
    blur: 0,
    flatten: false,
  }),
);

// Options of a call that say nothing about the picture.
const CALL_OPTIONS = new Set(["raise_errors", "image_info"]);

/** @type {ReadonlyMap<unknown, string>} */
const EXTENSIONS = new Map([
  ["JPEG", "jpg"],
  ["PNG", "png"],
  ["GIF", "gif"],
  ["WEBP", "webp"],
  ["AVIF", "avif"],
]);

const HOST = /^[a-z0-9.-]+(:[0-9]+)?$/;
// Where a source may lie, and what names the place there.
const SCHEMES = new Map([
  ["s3", /^[A-Za-z0-9._-]+$/],
  ["storage", /^[^/\0]+$/],
  ["https", HOST],
  ["http", HOST],
]);

const GEOMETRY = /^(?!$)([1-9][0-9]{0,4})?(?:x([1-9][0-9]{0,4}))?$/;
const OPTION_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
// With the flag u, whole pairs are one character, and only halves are left to find.
const HALF_OF_A_PAIR = /[\ud800-\udfff]/u;
const MAX_DEPTH = 8;

/** Where an original image lies. */
export class Source {
  /**
   * @param {string} scheme "s3", "storage", "https" or "http"
   * @param {string} container the bucket, the alias of the storage, or the host with its port
   * @param {string} name as it is: neither percent-encoded nor decoded nor normalised
   */
  constructor(scheme, container, name) {
    const containers = SCHEMES.get(scheme);
    if (!containers) {
      throw new SpecError(`unknown source scheme ${shown(scheme)}; one of ${[...SCHEMES.keys()].join(", ")}`);
    }
    if (typeof container !== "string" || !containers.test(container) || HALF_OF_A_PAIR.test(container)) {
      throw new SpecError(`${shown(container)} cannot be where a source of ${scheme} lies`);
    }
    if (typeof name !== "string" || !name || name.includes("\0") || HALF_OF_A_PAIR.test(name)) {
      throw new SpecError(
        `the source's name is ${shown(name)}: no text, empty, or with a NUL or half of a surrogate pair in it`,
      );
    }
    if (isUrl(scheme) && name.includes("#")) {
      throw new SpecError(`the source's name is ${shown(name)}: a fragment is no part of a URL here`);
    }
    this.scheme = scheme;
    this.container = container;
    this.name = name;
  }

  /**
   * @param {string} text `s3://bucket/key`, `storage://alias/name` or a URL
   * @returns {Source}
   */
  static parse(text) {
    const parts = typeof text === "string" && /^([^]*?):\/\/([^/]*)\/?([^]*)$/.exec(text);
    if (!parts) {
      throw new SpecError(
        `${shown(text)} is not a source; write it as text: "s3://bucket/key" or "storage://alias/name"`,
      );
    }
    const [, scheme, container, name] = parts;
    if (!isUrl(scheme)) return new Source(scheme, container, name);
    // Of ASCII alone: beyond it there are letters that become one of ASCII, and so another host.
    const host = container.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
    return new Source(scheme, host, name.replace(/#[^]*/, ""));
  }

  /** The JSON of the source in its one canonical form. */
  get canonical() {
    return JSON.stringify([this.scheme, this.container, this.name]);
  }

  toString() {
    return `${this.scheme}://${this.container}/${this.name}`;
  }
}

/** @param {string} scheme */
const isUrl = (scheme) => scheme === "https" || scheme === "http";

/** A thumbnail: source, geometry and options. */
export class Spec {
  /**
   * @param {Source} source
   * @param {string} geometry pixels: "300x200", "300" (width), "x200" (height)
   * @param {Options} options
   */
  constructor(source, geometry, options) {
    if (typeof geometry !== "string" || !GEOMETRY.test(geometry)) {
      throw new SpecError(
        `the geometry is ${shown(geometry)}; write pixels as text: "300x200", "300" or "x200"`,
      );
    }
    this.source = source;
    this.geometry = geometry;
    /** Sorted by name, without those of the call alone and without those that are defaults. */
    this.options = plainOptions(options);
    const { scheme, container, name } = source;
    /** The JSON of the spec in its one canonical form. */
    this.canonical = JSON.stringify([scheme, container, name, geometry, this.options]);
  }

  /**
   * The spec of its canonical form. Throws SpecError, also where the form is not the canonical.
   *
   * @param {string} canonical
   * @returns {Spec}
   */
  static parse(canonical) {
    /** @type {unknown} */
    let fields;
    try {
      fields = JSON.parse(canonical);
    } catch (error) {
      throw new SpecError("not a thumbnail spec: no JSON", { cause: error });
    }
    if (!Array.isArray(fields) || fields.length !== 5) {
      throw new SpecError("not a thumbnail spec: no array of five members");
    }
    const [scheme, container, name, geometry, options] = fields;
    const spec = new Spec(new Source(scheme, container, name), geometry, options);
    // What JSON.parse takes for the same, and what it does not keep, is written in another way.
    if (spec.canonical !== canonical) {
      throw new SpecError("not the canonical form of a thumbnail spec");
    }
    return spec;
  }

  /** Pillow's name of the format: "JPEG", "PNG", ... */
  get format() {
    return /** @type {string} */ (this.#option("format"));
  }

  /** The file extension, without a dot. */
  get extension() {
    return /** @type {string} */ (EXTENSIONS.get(this.format));
  }

  /**
   * The sides of the geometry that are certain: the picture is always cropped or padded to them.
   *
   * @returns {{ width: number | null, height: number | null }}
   */
  get filled() {
    const [, width, height] = /** @type {RegExpExecArray} */ (GEOMETRY.exec(this.geometry));
    const crop = this.#option("crop");
    const crops = isTrue(crop) && crop !== "noop";
    const fills = isTrue(this.#option("padding")) || (isTrue(this.#option("upscale")) && crops);
    return { width: width && fills ? Number(width) : null, height: height && fills ? Number(height) : null };
  }

  /**
   * With the default put back.
   *
   * @param {string} name
   */
  #option(name) {
    return Object.hasOwn(this.options, name) ? this.options[name] : DEFAULTS.get(name);
  }
}

/**
 * Options as JSON has them, without those of the call alone and without those that are defaults.
 *
 * @param {Options} options
 * @returns {{ [name: string]: Value }}
 */
export function plainOptions(options) {
  const ofPicture = optionsOf(options).filter(([name]) => !CALL_OPTIONS.has(name));
  const plain = ofPicture.map(([name, value]) => member(name, value, 0));
  const { format = "JPEG" } = Object.fromEntries(plain);
  if (!EXTENSIONS.has(format)) {
    throw new SpecError(`the format is ${shown(format)}; one of ${[...EXTENSIONS.keys()].join(", ")}`);
  }
  return Object.fromEntries(plain.filter(([name, value]) => DEFAULTS.get(name) !== value));
}

/**
 * The options of a call, in front of those of the site.
 *
 * @param {Options} options
 * @param {Options} behind
 * @returns {Options}
 */
export const inFront = (options, behind) => ({ ...behind, ...Object.fromEntries(optionsOf(options)) });

/** @param {Options} options */
function optionsOf(options) {
  if (!isPlainObject(options)) throw new SpecError(`the options are ${shown(options)}; give an object: {}`);
  return /** @type {[string, Value][]} */ (entries(options));
}

/**
 * Those that are given: what is undefined is not. Of strings alone, sorted by code points, as names of
 * options, which are ASCII, are sorted by `sort`.
 *
 * @param {object} value
 * @returns {[string, unknown][]}
 */
function entries(value) {
  const given = /** @type {{ [name: string]: unknown }} */ (value);
  return Object.keys(given)
    .sort()
    .map((name) => /** @type {[string, unknown]} */ ([name, given[name]]))
    .filter(([, member]) => member !== undefined);
}

/**
 * @param {string} name
 * @param {unknown} value
 * @param {number} depth
 * @returns {[string, Value]}
 */
function member(name, value, depth) {
  if (!OPTION_NAME.test(name)) {
    throw new SpecError(`${shown(name)} is not an option's name: letters, digits and underscores`);
  }
  return [name, plainValue(name, value, depth)];
}

/**
 * @param {string} name of the option that has the value
 * @param {unknown} value
 * @param {number} depth of arrays and objects around it
 * @returns {Value}
 */
function plainValue(name, value, depth) {
  if (value === null || typeof value === "boolean") return value;
  if (typeof value === "string" && !HALF_OF_A_PAIR.test(value)) return value;
  if (typeof value === "number") {
    if (Number.isSafeInteger(value)) return value; // JSON.stringify writes minus zero as 0
    const size = Math.abs(value);
    if (!Number.isInteger(value) && size >= 1e-4 && size < 1e15) return value;
  }
  if (depth < MAX_DEPTH) {
    if (Array.isArray(value)) return Array.from(value, (item) => plainValue(name, item, depth + 1));
    if (isPlainObject(value)) {
      // Not by assignment, which would lose `__proto__`.
      return Object.fromEntries(entries(value).map(([key, item]) => member(key, item, depth + 1)));
    }
  }
  throw new SpecError(
    `the option ${name} is or holds ${shown(value)}, which cannot travel in a URL: use text without halves ` +
      "of surrogate pairs, true, false, null, integers up to 2^53 - 1, fractions from 0.0001 to 10^15, or " +
      `arrays and plain objects of them, ${MAX_DEPTH} inside each other at most`,
  );
}

/**
 * Whether it is what `{}` makes, here or in another realm: no Date, no Map, nothing of a class.
 *
 * @param {unknown} value
 * @returns {value is object}
 */
function isPlainObject(value) {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

/**
 * As the server, which is Python, takes it: what is empty is false.
 *
 * @param {Value | undefined} value
 */
function isTrue(value) {
  return typeof value === "object" && value !== null ? Object.keys(value).length > 0 : Boolean(value);
}
