// Compiled, never run: index.d.ts has to agree with the sources and with what its users may write.

import * as sources from "../src/index.js";
import {
  Client,
  DriverError,
  SettingError,
  ShrinkmeisterError,
  SpecError,
  TokenError,
  TokenExpiredError,
  type Settings,
  type Thumbnail,
} from "shrinkmeister";

const declared: typeof import("shrinkmeister") = sources;
void declared;

// Each library's own type of `mget`.
declare const nodeRedis: { mGet(keys: string[]): Promise<(string | null)[]> };
declare const ioredis: { mgetBuffer(...keys: string[]): Promise<(Buffer | null)[]> };
interface Buffer extends Uint8Array {}
declare const upstash: { mget<T extends unknown[]>(keys: string[]): Promise<T> };

const settings: Settings = { secretKey: "", serverUrl: "", mget: (keys) => nodeRedis.mGet(keys) };
void ({ ...settings, mget: (keys) => ioredis.mgetBuffer(...keys) } satisfies Settings);
void ({ ...settings, mget: (keys) => upstash.mget<(string | null)[]>(keys) } satisfies Settings);
void ({
  ...settings,
  urlTtl: null,
  resolutions: ["2"] as const,
  onError: (error: DriverError) => error.cause,
} satisfies Settings);

export async function use(): Promise<void> {
  const client = await Client.create(settings);
  client.url("s3://photos/a.jpg", "300x200", {
    crop: "center",
    cropbox: [1, 2, 3, 4],
    mine: { a: [null] },
  }) satisfies string;
  const one: Thumbnail = await client.thumbnail("s3://photos/a.jpg", "300");
  (await client.thumbnails([
    { source: "s3://photos/a.jpg", geometry: "300", options: { blur: undefined } },
  ])) satisfies Thumbnail[];
  one.width satisfies number | null;
  one.urlOf("2") satisfies string;
  (await client.objectName("s3://photos/a.jpg", "300", {}, "2")) satisfies string;
  client.open("AQ").source.name satisfies string;
  new TokenExpiredError() satisfies TokenError satisfies ShrinkmeisterError satisfies Error;
  new SettingError() satisfies ShrinkmeisterError;
  new SpecError() satisfies ShrinkmeisterError;

  // @ts-expect-error: the source is missing
  client.url("300");
  // @ts-expect-error: a date is not a valid option
  client.url("s3://photos/a.jpg", "300", { version: new Date() });
  // @ts-expect-error: a geometry is text
  client.url("s3://photos/a.jpg", 300);
  // @ts-expect-error: Client has no constructor
  new Client();
  // @ts-expect-error: an unknown setting
  void Client.create({ ...settings, secret: "" });
  // @ts-expect-error: the library parses JSON
  void Client.create({ ...settings, mget: async () => [{ v: 1 }] });
}
