/**
 * The description of a thumbnail that client and server exchange.
 *
 *     new Spec(Source.parse("s3://photos/2024/dawn.jpg"), "300x200", { crop: "center" }).canonical
 *     '["s3","photos","2024/dawn.jpg","300x200",{"crop":"center"}]'
 *
 * @import { Options, Value } from "../index.js"
 */

import { SpecError, shown } from "./errors.js";

/**
 * A spec omits options with these values, and the server puts them back. This is a map, since an option may
 * have the name of a property that every object has, such as `constructor`.
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

// Options that do not change the picture.
const CALL_OPTIONS = new Set(["raise_errors", "image_info"]);

/** @type {ReadonlyMap<unknown, string>} */
const EXTENSIONS = new Map([
  ["JPEG", "jpg"],
  ["PNG", "png"],
  ["GIF", "gif"],
  ["WEBP", "webp"],
  ["AVIF", "avif"],
]);

// The formats by the names that callers may write, in any case.
const FORMATS = new Map([
  ["jpg", "JPEG"],
  ["jpeg", "JPEG"],
  ["png", "PNG"],
  ["gif", "GIF"],
  ["webp", "WEBP"],
  ["avif", "AVIF"],
]);

const HOST = /^[a-z0-9.-]+(:[0-9]+)?$/;
// The kinds of places of sources, and the syntax of a container in each.
const SCHEMES = new Map([
  ["s3", /^[A-Za-z0-9._-]+$/],
  ["storage", /^[^/\0]+$/],
  ["https", HOST],
  ["http", HOST],
]);

const GEOMETRY = /^(?!$)([1-9][0-9]{0,4})?(?:x([1-9][0-9]{0,4}))?$/;
const OPTION_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
// With the flag u, a whole pair is one character, so that only halves match.
const HALF_OF_A_PAIR = /[\ud800-\udfff]/u;
const MAX_DEPTH = 8;

/** The place of an original image. */
export class Source {
  /**
   * @param {string} scheme "s3", "storage", "https" or "http"
   * @param {string} container the bucket, the alias of the storage, or the host with its port
   * @param {string} name the object's key or the file's name, neither percent-encoded nor normalised
   */
  constructor(scheme, container, name) {
    const containers = SCHEMES.get(scheme);
    if (!containers) {
      throw new SpecError(`unknown source scheme ${shown(scheme)}; one of ${[...SCHEMES.keys()].join(", ")}`);
    }
    if (typeof container !== "string" || !containers.test(container) || HALF_OF_A_PAIR.test(container)) {
      throw new SpecError(`${shown(container)} is not a valid place of a source of ${scheme}`);
    }
    if (typeof name !== "string" || !name || name.includes("\0") || HALF_OF_A_PAIR.test(name)) {
      throw new SpecError(
        `the source's name is ${shown(name)}; it must be text without NUL or halves of surrogate pairs, and ` +
          "not empty",
      );
    }
    if (isUrl(scheme) && name.includes("#")) {
      throw new SpecError(`the source's name is ${shown(name)}; remove the fragment`);
    }
    this.scheme = scheme;
    this.container = container;
    this.name = name;
  }

  /**
   * Return the source of `s3://bucket/key`, `storage://alias/name` or a URL. Throws SpecError.
   *
   * @param {string} text
   * @returns {Source}
   */
  static parse(text) {
    const parts = typeof text === "string" && /^([^]*?):\/\/([^/]*)\/?([^]*)$/.exec(text);
    if (!parts) {
      throw new SpecError(
        `${shown(text)} is not a source; write "s3://bucket/key", "storage://alias/name" or a URL`,
      );
    }
    const [, scheme, container, name] = parts;
    if (!isUrl(scheme)) return new Source(scheme, container, name);
    // Some letters beyond ASCII become ASCII in lower case, which would name another host.
    const host = container.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
    return new Source(scheme, host, name.replace(/#[^]*/, ""));
  }

  /** JSON in its one canonical form. */
  get canonical() {
    return JSON.stringify([this.scheme, this.container, this.name]);
  }

  toString() {
    return `${this.scheme}://${this.container}/${this.name}`;
  }
}

/** @param {string} scheme */
const isUrl = (scheme) => scheme === "https" || scheme === "http";

/** A thumbnail: source, geometry and options. Equal thumbnails have equal canonical forms. */
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
    /** JSON values, sorted by name, without defaults and without options that do not change the picture. */
    this.options = plainOptions(options);
    const { scheme, container, name } = source;
    /** JSON in its one canonical form. */
    this.canonical = JSON.stringify([scheme, container, name, geometry, this.options]);
  }

  /**
   * Return the spec of a canonical form. Throws SpecError for any other form.
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
      throw new SpecError("the thumbnail spec is not JSON", { cause: error });
    }
    if (!Array.isArray(fields) || fields.length !== 5) {
      throw new SpecError("the thumbnail spec is not an array of five members");
    }
    const [scheme, container, name, geometry, options] = fields;
    const spec = new Spec(new Source(scheme, container, name), geometry, options);
    // JSON.parse accepts other forms of the same value, and drops duplicate names.
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
   * The sides that are certain, since the picture is cropped or padded to them. The other sides are null.
   *
   * @returns {{ width: number | null, height: number | null }}
   */
  get filledSize() {
    const [, width, height] = /** @type {RegExpExecArray} */ (GEOMETRY.exec(this.geometry));
    const crop = this.#option("crop");
    const crops = isTrue(crop) && crop !== "noop";
    const fills = isTrue(this.#option("padding")) || (isTrue(this.#option("upscale")) && crops);
    return { width: width && fills ? Number(width) : null, height: height && fills ? Number(height) : null };
  }

  /**
   * Return the value of an option, which may be its default.
   *
   * @param {string} name
   */
  #option(name) {
    return Object.hasOwn(this.options, name) ? this.options[name] : DEFAULTS.get(name);
  }
}

/**
 * Return options as JSON values, without defaults and without those that do not change the picture.
 *
 * @param {Options} options
 * @returns {{ [name: string]: Value }}
 */
export function plainOptions(options) {
  const pictureOptions = optionsOf(options).filter(([name]) => !CALL_OPTIONS.has(name));
  const plain = pictureOptions.map(([name, value]) => withFormatName(member(name, value, 0)));
  const { format = "JPEG" } = Object.fromEntries(plain);
  if (!EXTENSIONS.has(format)) {
    throw new SpecError(`the format is ${shown(format)}; one of ${[...EXTENSIONS.keys()].join(", ")}`);
  }
  return Object.fromEntries(plain.filter(([name, value]) => DEFAULTS.get(name) !== value));
}

/**
 * Return the option `format` with the name that specs contain: "JPEG" for "jpg", "WEBP" for "webp".
 *
 * @param {[string, Value]} option
 * @returns {[string, Value]}
 */
function withFormatName([name, value]) {
  if (name !== "format" || typeof value !== "string") return [name, value];
  return [name, FORMATS.get(value.toLowerCase()) ?? value];
}

/**
 * Return the site's options, overridden by those of a call.
 *
 * @param {Options} site
 * @param {Options} call
 * @returns {Options}
 */
export const merged = (site, call) => ({ ...site, ...Object.fromEntries(optionsOf(call)) });

/** @param {Options} options */
function optionsOf(options) {
  if (!isPlainObject(options)) throw new SpecError(`the options are ${shown(options)}; give an object: {}`);
  return /** @type {[string, Value][]} */ (entries(options));
}

/**
 * Return the members of an object, sorted by name, without undefined ones. `sort` compares code units, which
 * is the canonical order for the ASCII names of options.
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
    throw new SpecError(`${shown(name)} is not a valid option name; use letters, digits and underscores`);
  }
  return [name, plainValue(name, value, depth)];
}

/**
 * Return a value as JSON has it. Throws SpecError for values that JSON cannot keep exactly.
 *
 * @param {string} name the option that has the value
 * @param {unknown} value
 * @param {number} depth the number of arrays and objects around the value
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
      // An assignment of each member would lose `__proto__`.
      return Object.fromEntries(entries(value).map(([key, item]) => member(key, item, depth + 1)));
    }
  }
  throw new SpecError(
    `the option ${name} contains ${shown(value)}, which cannot be part of a URL; use text without halves of ` +
      "surrogate pairs, true, false, null, integers up to 2^53 - 1, fractions from 0.0001 to 10^15, or " +
      `arrays and plain objects of them, at most ${MAX_DEPTH} levels deep`,
  );
}

/**
 * Return whether a value is a plain object of any realm, and not an instance of a class such as Date or Map.
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
 * Return whether the server, which is Python, takes a value for true. Empty values are false.
 *
 * @param {Value | undefined} value
 */
function isTrue(value) {
  return typeof value === "object" && value !== null ? Object.keys(value).length > 0 : Boolean(value);
}
