import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mock, test } from "node:test";
import { fileURLToPath } from "node:url";

import { Client, DriverError, SpecError } from "shrinkmeister";

import { signer } from "./signing.js";

const SECRET = "the secret of the tests, which is long enough";
const NOW = 1_800_000_000;
const SOURCE = "s3://photos/2024/dawn.jpg";
const KEY = "t1:5wyrt54keywf572trejokp4t2thsg7z4"; // the record's key of SOURCE with the geometry 300
const NAME = "ykl5m4xlpmf2kmirjrlpdm3xzthzi374/5wyrt54keywf572trejokp4t2thsg7z4.jpg";
const FINAL = `https://thumbs.s3.amazonaws.com/cache/${NAME}`;
const RECORD = { v: 1, w: 300, h: 200, t: NOW - 10, u: "https://thumbs.s3.amazonaws.com/cache/" };

const create = (settings) =>
  Client.create({
    secretKey: SECRET,
    serverUrl: "https://thumbs.example.com",
    clock: () => NOW,
    onError: (error) => {
      throw error;
    },
    ...settings,
  });

/** Return a cache with these records, and the list of the keys that it was asked for. */
async function recorded(records = { [KEY]: RECORD }) {
  const sign = await signer(SECRET);
  const values = new Map();
  for (const [key, record] of Object.entries(records)) {
    values.set(
      `shrinkmeister:${key}`,
      await sign(key, typeof record === "string" ? record : JSON.stringify(record)),
    );
  }
  const asked = [];
  const mget = async (keys) => {
    asked.push(keys);
    return keys.map((key) => values.get(key) ?? null);
  };
  return { mget, asked, values };
}

test("a list is one round trip, which asks for each key once", async () => {
  const { mget, asked } = await recorded();
  const client = await create({ mget });
  const other = { source: SOURCE, geometry: "x80", options: { crop: "center" } };
  const wanted = [{ source: SOURCE, geometry: "300" }, other, { source: SOURCE, geometry: "300" }];
  const thumbnails = await client.thumbnails(wanted);
  assert.deepEqual(
    thumbnails.map(({ lazy }) => lazy),
    [false, true, false],
  );
  assert.equal(thumbnails[0].url, FINAL);
  assert.equal(thumbnails[1].url, client.url(other.source, other.geometry, other.options));
  assert.equal(thumbnails[2].url, FINAL);
  assert.equal(asked.length, 1);
  assert.equal(asked[0].length, 3);
  assert.equal(new Set(asked[0]).size, 3);
  assert.ok(asked[0].includes(`shrinkmeister:${KEY}`) && asked[0].includes("shrinkmeister:doubt"));
});

test("simultaneous look-ups do not mix their answers", async () => {
  const { mget, asked } = await recorded();
  const client = await create({ mget });
  const both = await Promise.all([client.thumbnail(SOURCE, "300"), client.thumbnail(SOURCE, "301")]);
  assert.deepEqual(
    both.map(({ lazy }) => lazy),
    [false, true],
  );
  assert.equal(asked.length, 2);
});

test("an empty list does not ask the cache", async () => {
  const { mget, asked } = await recorded();
  assert.deepEqual(await (await create({ mget })).thumbnails([]), []);
  assert.equal(asked.length, 0);
});

test("without a cache everything is lazy", async () => {
  const client = await create({});
  const thumbnail = await client.thumbnail(SOURCE, "300x200", { crop: "center" });
  const url = client.url(SOURCE, "300x200", { crop: "center" });
  assert.equal(JSON.stringify(thumbnail), JSON.stringify({ url, width: 300, height: 200, lazy: true }));
});

test("values may be text or bytes, and missing ones null or undefined", async () => {
  const { values } = await recorded();
  const forms = [(text) => text, (text) => Buffer.from(text), (text) => new TextEncoder().encode(text)];
  for (const missing of [null, undefined]) {
    for (const form of forms) {
      const mget = (keys) => keys.map((key) => (values.has(key) ? form(values.get(key)) : missing));
      assert.equal((await (await create({ mget })).thumbnail(SOURCE, "300")).url, FINAL);
    }
  }
});

const failures = {
  "that rejects": [() => Promise.reject(new Error("refused")), /refused/],
  "that throws": [
    () => {
      throw new Error("at once");
    },
    /at once/,
  ],
  "that rejects with a text": [() => Promise.reject("text"), /text/],
  "that never answers": [() => new Promise(() => {}), /no answer within 0\.02 s/],
  "that returns nothing": [async () => undefined, /type undefined/],
  "that returns an object": [async (keys) => ({ length: keys.length }), /type object/],
  "that returns too few values": [async () => [null], /1 values for 2 keys/],
  "that returns too many values": [async () => [null, null, null], /3 values for 2 keys/],
  "that parses a record": [async () => [{ v: 1 }, null], /automaticDeserialization/],
  "that parses the time of distrust": [async () => [null, 1_800_000_000], /automaticDeserialization/],
};

for (const [description, [mget, message]] of Object.entries(failures)) {
  test(`a cache ${description} is a miss, and the breaker stays open for 5 seconds`, async (context) => {
    let now = 1000;
    context.mock.method(performance, "now", () => now);
    const fails = mock.fn(mget);
    const onError = mock.fn();
    const client = await create({ mget: fails, onError, cacheTimeout: 0.02 });
    const look = async () =>
      assert.equal((await client.thumbnail(SOURCE, "300")).url, client.url(SOURCE, "300"));

    await look();
    assert.equal(onError.mock.callCount(), 1);
    const [error] = onError.mock.calls[0].arguments;
    assert.ok(error instanceof DriverError);
    assert.match(error.message, message);
    now += 4999;
    await look();
    assert.equal(fails.mock.callCount(), 1);
    now += 1;
    await look();
    assert.equal(fails.mock.callCount(), 2);
    assert.equal(onError.mock.callCount(), 2);
  });
}

test("a cache that answers again is used again", async (context) => {
  let now = 1000;
  context.mock.method(performance, "now", () => now);
  const { mget } = await recorded();
  let dead = true;
  const answers = (keys) => (dead ? Promise.reject(new Error("dead")) : mget(keys));
  const client = await create({ mget: answers, onError: () => {} });
  assert.equal((await client.thumbnail(SOURCE, "300")).lazy, true);
  dead = false;
  now += 5000;
  assert.equal((await client.thumbnail(SOURCE, "300")).lazy, false);
});

test("a failure after the time-out is not an unhandled rejection", async () => {
  const { promise, reject } = withReject();
  const client = await create({ mget: () => promise, onError: () => {}, cacheTimeout: 0.01 });
  assert.equal((await client.thumbnail(SOURCE, "300")).lazy, true);
  reject(new Error("late"));
  await new Promise(setImmediate); // an unhandled rejection would fail the test by now
});

test("an answer that arrives while the thread is busy is not a time-out", async () => {
  const { mget } = await recorded();
  const busy = (keys) => {
    for (const end = performance.now() + 60; performance.now() < end;);
    // Answers after the first timer, whose time is over by then.
    return new Promise((resolve) => setImmediate(() => setImmediate(resolve, mget(keys))));
  };
  const client = await create({ mget: busy, cacheTimeout: 0.02 });
  assert.equal((await client.thumbnail(SOURCE, "300")).lazy, false);
});

test("a look-up that is answered leaves no timer behind", () => {
  const index = JSON.stringify(new URL("../src/index.js", import.meta.url));
  const program = `
    import { Client } from ${index};
    const client = await Client.create({
      secretKey: ${JSON.stringify(SECRET)},
      serverUrl: "https://thumbs.example.com",
      mget: async (keys) => keys.map(() => null),
      cacheTimeout: 60,
    });
    await client.thumbnail("s3://photos/a.jpg", "300");
    if (process.getActiveResourcesInfo().includes("Timeout")) throw new Error("a timer is left");
  `;
  execFileSync(process.execPath, ["--input-type=module", "--eval", program], { stdio: "pipe" });
});

test("an invalid record is a miss, and not a failure of the cache", async () => {
  for (const value of [
    "",
    "<html>",
    "\ud800",
    Buffer.from([0xff, 0xfe]),
    '{"v":1,"w":1,"h":1,"m":"AAAAAAAAAAA"}',
  ]) {
    const client = await create({ mget: (keys) => keys.map(() => value) });
    assert.equal((await client.thumbnail(SOURCE, "300")).lazy, true);
  }
});

test("numbers of signed records are valid only as integers", async () => {
  const found = async (record) => {
    const { mget } = await recorded({ [KEY]: record });
    return (await create({ mget })).thumbnail(SOURCE, "300");
  };
  const record = JSON.stringify(RECORD);
  for (const [from, to] of [
    [":300,", ":300.0,"],
    [":300,", ":3e2,"],
    [":1,", ":1.0,"],
    [":1799999990,", ":1799999990.0,"],
  ]) {
    assert.equal((await found(record.replace(from, to))).width, null, to);
  }
  for (const number of ["1.2.3", "1.e2", ".5", "1e"]) {
    assert.equal((await found(record.replace("}", `,"x":${number}}`))).width, null, number);
  }
  // Unknown members may be fractions, and texts may look like fractions.
  const unknown = `{"x":[1.5,-2e3,"\\"1.0"],"v":1, "w":300,"h":200,"t":1799999990,"u":"${RECORD.u}1.0/"}`;
  assert.equal((await found(unknown)).url, `${RECORD.u}1.0/${NAME}`);
});

test("options of a call override those of the site, unless they are undefined", async () => {
  const client = await create({ options: { quality: 80 } });
  const optionsOf = (options) =>
    client.open(/([^/]*)\.jpg$/.exec(client.url(SOURCE, "300", options))[1]).options;
  assert.deepEqual(optionsOf(), { quality: 80 });
  assert.deepEqual(optionsOf({ quality: undefined, crop: undefined }), { quality: 80 });
  assert.deepEqual(optionsOf({ quality: 70 }), { quality: 70 });
  assert.deepEqual(optionsOf({ quality: 95 }), {});
  assert.deepEqual(optionsOf({ raise_errors: new Date(), mine: { raise_errors: 1 } }), {
    quality: 80,
    mine: { raise_errors: 1 },
  });
  const own = client.open(client.url(SOURCE, "300", JSON.parse('{"__proto__":1}')).slice(27, -4));
  assert.equal(own.canonical, '["s3","photos","2024/dawn.jpg","300",{"__proto__":1,"quality":80}]');
});

test("the size of a record is used, and not that of the geometry", async () => {
  const client = await create({});
  const digest = (await client.objectName(SOURCE, "300x200", { crop: "smart" })).slice(-36, -4);
  const { mget } = await recorded({ [`t1:${digest}`]: { v: 1, w: 299, h: 199 } });
  const { width, height, lazy } = await (
    await create({ mget })
  ).thumbnail(SOURCE, "300x200", { crop: "smart" });
  assert.deepEqual([width, height, lazy], [299, 199, true]);
});

test("options have at most eight levels", async () => {
  const client = await create({});
  const nested = (depth) => (depth ? [nested(depth - 1)] : 1);
  assert.match(client.url(SOURCE, "300", { a: nested(8) }), /jpg$/);
  assert.throws(() => client.url(SOURCE, "300", { a: nested(9) }), SpecError);
});

test("each call throws SpecError for an invalid spec", async () => {
  const client = await create({});
  await assert.rejects(client.thumbnail(SOURCE, "0"), SpecError);
  await assert.rejects(client.thumbnails([{ source: "dawn.jpg", geometry: "300" }]), SpecError);
  await assert.rejects(client.objectName(SOURCE, "300", {}, "2x"), SpecError);
  for (const geometry of [300, null, "", "300x", "x", "300x200x100", "300\n"]) {
    assert.throws(() => client.url(SOURCE, geometry), SpecError);
  }
  for (const source of [null, 1, ["s3://photos/a.jpg"], "s3://photos/\ud800.jpg", "storage://\udc00/a.jpg"]) {
    assert.throws(() => client.url(source, "300"), SpecError);
  }
  for (const options of [null, "crop", [], new Map(), new Date(), () => {}]) {
    assert.throws(() => client.url(SOURCE, "300", options), SpecError);
  }
  const cycle = [];
  cycle.push(cycle);
  const values = [
    10n,
    NaN,
    Infinity,
    2 ** 53,
    1e-5,
    1e15 + 0.5,
    "\ud800",
    new Date(),
    new Map(),
    Symbol("x"),
    () => {},
  ];
  for (const value of [
    ...values,
    cycle,
    [undefined],
    new Array(1),
    new (class {})(),
    { toJSON: () => 1 },
    { "a b": 1 },
  ]) {
    assert.throws(() => client.url(SOURCE, "300", { a: value }), SpecError);
  }
});

test("lazy and final URLs at a resolution", async () => {
  const { mget } = await recorded({ [KEY]: { ...RECORD, r: ["2"] } });
  const client = await create({ mget, resolutions: ["2"] });
  const thumbnail = await client.thumbnail(SOURCE, "300");
  assert.equal(thumbnail.urlOf("2"), FINAL.replace(".jpg", "@2x.jpg"));
  const lazy = await client.thumbnail(SOURCE, "301");
  assert.equal(lazy.urlOf("1.5"), lazy.url.replace(".jpg", "@1.5x.jpg"));
  for (const resolution of ["2x", "", "-1", "2\n"]) assert.throws(() => lazy.urlOf(resolution), SpecError);
});

test("an object's name begins with the prefix", async () => {
  const client = await create({ prefix: "a/thumbs/" });
  assert.equal(await client.objectName(SOURCE, "300"), `a/thumbs/${NAME}`);
  assert.equal(
    await client.objectName(SOURCE, "300", {}, "2"),
    `a/thumbs/${NAME.replace(".jpg", "@2x.jpg")}`,
  );
});

test("options are true for the client if they are true for the server", async () => {
  const client = await create({});
  const width = async (options) => (await client.thumbnail(SOURCE, "300x200", options)).width;
  for (const crop of ["smart", 1, true, [0], { a: 0 }, "0"]) assert.equal(await width({ crop }), 300);
  for (const crop of ["", 0, false, null, [], {}, "noop"]) assert.equal(await width({ crop }), null);
  for (const upscale of [0, "", null, []]) assert.equal(await width({ crop: "center", upscale }), null);
  for (const padding of [1, "x"]) assert.equal(await width({ padding, upscale: false }), 300);
  const sides = async (geometry, options) => {
    const { width, height } = await client.thumbnail(SOURCE, geometry, options);
    return [width, height];
  };
  assert.deepEqual(await sides("300", { crop: "center" }), [300, null]);
  assert.deepEqual(await sides("x200", { crop: "center" }), [null, 200]);
  assert.deepEqual(await sides("x200", {}), [null, null]);
});

test("the example prints a URL or an error", () => {
  const example = fileURLToPath(new URL("../example/thumbnail.js", import.meta.url));
  const environment = { THUMBNAIL_SECRET_KEY: SECRET, THUMBNAIL_SERVER_URL: "https://thumbs.example.com" };
  const run = (args, env = environment) =>
    execFileSync(process.execPath, [example, ...args], { env, stdio: "pipe" });
  const line = JSON.parse(run([SOURCE, "300x200", "crop=center", "quality=80", "mine=[1,null]"]));
  assert.deepEqual([line.width, line.height, line.lazy], [300, 200, true]);
  const refused = (message) => (error) => error.status === 2 && message.test(error.stderr);
  assert.throws(() => run([SOURCE, "big"]), refused(/geometry/));
  assert.throws(() => run([SOURCE]), refused(/GEOMETRY/));
  assert.throws(() => run([SOURCE, "300"], {}), refused(/secretKey/));
});

function withReject() {
  let reject;
  const promise = new Promise((_, no) => {
    reject = no;
  });
  return { promise, reject };
}
