/**
 * Thumbnail URLs of a Shrinkmeister server.
 *
 *     const client = await Client.create({ secretKey, serverUrl: "https://thumbs.example.com" });
 *     client.url("s3://photos/2024/dawn.jpg", "300x200", { crop: "center" });
 */

/** What an option may be. */
export type Value = string | number | boolean | null | readonly Value[] | { readonly [name: string]: Value };

/**
 * sorl-thumbnail's options, and those of the site's own engine: `{ crop: "center", quality: 80 }`.
 * What is undefined counts as not given.
 */
export type Options = { readonly [name: string]: Value | undefined };

/** What a library of a cache gives for a key: text, bytes, or nothing where there is nothing. */
export type CacheValue = string | Uint8Array | null | undefined;

/** Seconds are numbers; what is undefined counts as not given. */
export interface Settings {
  /** THUMBNAIL_SECRET_KEY: random text of 32 characters or more. */
  readonly secretKey: string;
  /** THUMBNAIL_SECRET_KEY_FALLBACKS: former secret keys, whose tokens and records still count. */
  readonly secretKeyFallbacks?: readonly string[] | undefined;
  /** THUMBNAIL_SERVER_URL: "https://thumbs.example.com" */
  readonly serverUrl: string;
  /** THUMBNAIL_CACHE_KEY_PREFIX; "shrinkmeister:" unless given. */
  readonly keyPrefix?: string | undefined;
  /** THUMBNAIL_PREFIX, which `objectName` alone needs; "cache/" unless given. */
  readonly prefix?: string | undefined;
  /** THUMBNAIL_CHECK_TTL: seconds for which a recorded thumbnail is believed to be stored; 604800. */
  readonly checkTtl?: number | undefined;
  /** THUMBNAIL_URL_TTL: seconds after which a lazy URL stops to work, at least; null for never. */
  readonly urlTtl?: number | null | undefined;
  /** THUMBNAIL_ALTERNATIVE_RESOLUTIONS, as texts: ["2", "1.5"]. */
  readonly resolutions?: readonly string[] | undefined;
  /** Options of each thumbnail, unless a call gives others: `{ quality: 80 }` for THUMBNAIL_QUALITY = 80. */
  readonly options?: Options | undefined;
  /** Gets the values of keys from the shared cache, in their order. Without it, all thumbnails are lazy. */
  readonly mget?:
    ((keys: string[]) => PromiseLike<readonly CacheValue[]> | readonly CacheValue[]) | null | undefined;
  /** Seconds that a look-up waits for the cache; 0.08 unless given. */
  readonly cacheTimeout?: number | undefined;
  /** Is told when the cache fails; `console.warn` unless given. What it throws, the look-up throws. */
  readonly onError?: ((error: DriverError) => void) | undefined;
  /** The Unix time in seconds; for tests. */
  readonly clock?: (() => number) | undefined;
}

/** What `thumbnails` is asked for. */
export interface Wanted {
  /** "s3://bucket/key", "storage://alias/name", or a URL */
  readonly source: string;
  /** "300x200", "300" (width) or "x200" (height), in pixels */
  readonly geometry: string;
  readonly options?: Options | undefined;
}

/** What stands in a page. Its JSON is `{"url":...,"width":...,"height":...,"lazy":...}`. */
export interface Thumbnail {
  readonly url: string;
  /** In pixels; each null where it is not certain before the thumbnail is made. */
  readonly width: number | null;
  readonly height: number | null;
  /** Whether the URL is that of the server, which makes the thumbnail when it is asked for. */
  readonly lazy: boolean;
  /**
   * The URL at an alternative resolution: `urlOf("2")` ends with `@2x.jpg`. The server answers to those
   * that it lists. Throws SpecError for what is no resolution.
   */
  urlOf(resolution: string): string;
}

/** What a token holds. */
export interface Spec {
  readonly source: {
    readonly scheme: string;
    readonly container: string;
    readonly name: string;
    toString(): string;
  };
  readonly geometry: string;
  /** Without those that have their default value. */
  readonly options: { readonly [name: string]: Value };
  /** "JPEG", "PNG", "GIF", "WEBP" or "AVIF" */
  readonly format: string;
  /** Its one canonical form, which the token seals and the key of the record is made of. */
  readonly canonical: string;
}

export interface Client {
  /** The lazy URL of a thumbnail; asks nobody. Throws SpecError. */
  url(source: string, geometry: string, options?: Options): string;
  /**
   * The thumbnail with its final URL where the shared cache knows it, else with the lazy one. Rejects with
   * SpecError, and never because of the cache.
   */
  thumbnail(source: string, geometry: string, options?: Options): Promise<Thumbnail>;
  /** As `thumbnail`, of many in one round trip, in their order. */
  thumbnails(wanted: readonly Wanted[]): Promise<Thumbnail[]>;
  /** The name of the thumbnail in the bucket, which a private one needs for signing. Rejects with SpecError. */
  objectName(source: string, geometry: string, options?: Options, resolution?: string): Promise<string>;
  /** What a token holds, for tools and tests. Throws TokenError, TokenExpiredError. */
  open(token: string): Spec;
}

export const Client: {
  /** Rejects with SettingError. Derives the keys, so create one client and keep it. */
  create(settings: Settings): Promise<Client>;
};

/** The root: what is an instance of it, Shrinkmeister has thrown on purpose. */
export class ShrinkmeisterError extends Error {}

/** A setting of the client is missing or wrong. */
export class SettingError extends ShrinkmeisterError {}

/** A geometry, an option or a source that no thumbnail can be described with; or too long a name. */
export class SpecError extends ShrinkmeisterError {}

/** A token that none of the secret keys has sealed, or of a version unknown here. */
export class TokenError extends ShrinkmeisterError {}

/** A genuine token whose time is over. */
export class TokenExpiredError extends TokenError {}

/** The shared cache failed. Only `onError` gets it; its `cause` is what `mget` threw. */
export class DriverError extends ShrinkmeisterError {}
