/**
 * Thumbnail URLs of a Shrinkmeister server.
 *
 *     const client = await Client.create({ secretKey, serverUrl: "https://thumbs.example.com" });
 *     client.url("s3://photos/2024/dawn.jpg", "300x200", { crop: "center" });
 */

/** The value of an option. */
export type Value = string | number | boolean | null | readonly Value[] | { readonly [name: string]: Value };

/**
 * sorl-thumbnail's options, and those of the site's own engine: `{ crop: "center", quality: 80 }`.
 * An undefined value counts as not given.
 */
export type Options = { readonly [name: string]: Value | undefined };

/** A cache library's value of a key: text or bytes, and null or undefined for a missing key. */
export type CacheValue = string | Uint8Array | null | undefined;

/** The settings of a client. Durations are seconds. An undefined setting counts as not given. */
export interface Settings {
  /** THUMBNAIL_SECRET_KEY: random text of 32 characters or more. */
  readonly secretKey: string;
  /** THUMBNAIL_SECRET_KEY_FALLBACKS: former secret keys, whose tokens and records stay valid. */
  readonly secretKeyFallbacks?: readonly string[] | undefined;
  /** THUMBNAIL_SERVER_URL: the URL at which browsers reach the server, "https://thumbs.example.com". */
  readonly serverUrl: string;
  /** THUMBNAIL_CACHE_KEY_PREFIX. Default: "shrinkmeister:". */
  readonly keyPrefix?: string | undefined;
  /** THUMBNAIL_PREFIX. Only `objectName` needs it. Default: "cache/". */
  readonly prefix?: string | undefined;
  /** THUMBNAIL_CHECK_TTL: seconds for which pages use a record without a check. Default: 604800. */
  readonly checkTtl?: number | undefined;
  /** THUMBNAIL_URL_TTL: how long a lazy URL works at least, in seconds. Default: null, no expiry. */
  readonly urlTtl?: number | null | undefined;
  /** THUMBNAIL_ALTERNATIVE_RESOLUTIONS, as texts: ["2", "1.5"]. Default: none. */
  readonly resolutions?: readonly string[] | undefined;
  /** Default options of all thumbnails: `{ quality: 80 }` for THUMBNAIL_QUALITY = 80. A call overrides them. */
  readonly options?: Options | undefined;
  /** Returns the values of keys in the shared cache, in their order. Without it, all thumbnails are lazy. */
  readonly mget?:
    ((keys: string[]) => PromiseLike<readonly CacheValue[]> | readonly CacheValue[]) | null | undefined;
  /** How long a look-up waits for the cache, in seconds. Default: 0.08. */
  readonly cacheTimeout?: number | undefined;
  /** Called when the cache fails. If it throws, the look-up rejects. Default: `console.warn`. */
  readonly onError?: ((error: DriverError) => void) | undefined;
  /** Returns the Unix time in seconds; for tests. */
  readonly clock?: (() => number) | undefined;
}

/** A thumbnail that a page needs. */
export interface Wanted {
  /** "s3://bucket/key", "storage://alias/name", or a URL */
  readonly source: string;
  /** "300x200", "300" (width) or "x200" (height), in pixels */
  readonly geometry: string;
  readonly options?: Options | undefined;
}

/** A thumbnail as a page shows it. Its JSON is `{"url":...,"width":...,"height":...,"lazy":...}`. */
export interface Thumbnail {
  readonly url: string;
  /** Exact pixels. Each side is null if it is not known before the thumbnail is made. */
  readonly width: number | null;
  readonly height: number | null;
  /** Whether the URL is the server's, which makes the thumbnail when a browser asks. */
  readonly lazy: boolean;
  /**
   * Return the URL at an alternative resolution: `urlOf("2")` ends with `@2x.jpg`. The server's
   * THUMBNAIL_ALTERNATIVE_RESOLUTIONS has to list it. Throws SpecError for an invalid resolution.
   */
  urlOf(resolution: string): string;
}

/** The content of a token. */
export interface Spec {
  readonly source: {
    readonly scheme: string;
    readonly container: string;
    readonly name: string;
    toString(): string;
  };
  readonly geometry: string;
  /** The options without defaults. */
  readonly options: { readonly [name: string]: Value };
  /** "JPEG", "PNG", "GIF", "WEBP" or "AVIF" */
  readonly format: string;
  /** The one canonical form. A token encrypts it, and the record's key is a digest of it. */
  readonly canonical: string;
}

export interface Client {
  /** Return the lazy URL of a thumbnail without asking the cache. Throws SpecError. */
  url(source: string, geometry: string, options?: Options): string;
  /**
   * Return a thumbnail with its final URL if the shared cache has a record of it, otherwise with its lazy
   * URL. Rejects with SpecError, and never because of the cache.
   */
  thumbnail(source: string, geometry: string, options?: Options): Promise<Thumbnail>;
  /** Return several thumbnails in their order, as `thumbnail` does, in one round trip. */
  thumbnails(wanted: readonly Wanted[]): Promise<Thumbnail[]>;
  /** Return the thumbnail's object name, for signed URLs of a private bucket. Rejects with SpecError. */
  objectName(source: string, geometry: string, options?: Options, resolution?: string): Promise<string>;
  /** Return the spec in a token, for tools and tests. Throws TokenError or TokenExpiredError. */
  open(token: string): Spec;
}

export const Client: {
  /** Return a client. It derives keys, so create one and keep it. Rejects with SettingError. */
  create(settings: Settings): Promise<Client>;
};

/** The root of all errors that Shrinkmeister throws on purpose. */
export class ShrinkmeisterError extends Error {}

/** A setting of the client is missing or invalid. */
export class SettingError extends ShrinkmeisterError {}

/** A source, a geometry or an option is invalid, or the token would be too long. */
export class SpecError extends ShrinkmeisterError {}

/** No secret decrypts the token, or its version is unknown. */
export class TokenError extends ShrinkmeisterError {}

/** The token is genuine, and has expired. */
export class TokenExpiredError extends TokenError {}

/** The shared cache failed. Only `onError` receives this error. Its `cause` is the error of `mget`. */
export class DriverError extends ShrinkmeisterError {}
