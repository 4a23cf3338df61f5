// A thumbnail server as one writes it with sharp: source from S3, thumbnail to S3, redirect to it.
//
//   GET /<signature>/<width>x<height>/<key of the source>
//
// Which thumbnails exist, S3 is asked with HEAD, or Redis if REDIS_PORT is set. Everything it needs is in
// its environment: PORT, SECRET, S3_ENDPOINT, S3_REGION, SOURCES, THUMBS, AWS_ACCESS_KEY_ID,
// AWS_SECRET_ACCESS_KEY; and FAST_SHRINK=false for decoding at twice the thumbnail's size at least.
"use strict";

const cluster = require("node:cluster");
const crypto = require("node:crypto");
const http = require("node:http");
const net = require("node:net");

const env = process.env;
const WORKERS = 2;
const QUALITY = 95;
const TARGET = /^\/([\w-]+)\/(([1-9]\d{0,3})x([1-9]\d{0,3})\/([\w.-]+))$/;

if (cluster.isPrimary) {
  for (let n = 0; n < WORKERS; n++) cluster.fork();
  // A worker that ends is a mistake, which the benchmark is to see.
  cluster.on("exit", () => process.exit(1));
} else {
  serve();
}

function serve() {
  const { S3Client, GetObjectCommand, HeadObjectCommand, PutObjectCommand } = require("@aws-sdk/client-s3");
  const sharp = require("sharp");

  // A worker for each core; nothing is asked for twice with the same options.
  sharp.concurrency(1);
  sharp.cache(false);

  const s3 = new S3Client({
    endpoint: env.S3_ENDPOINT,
    region: env.S3_REGION,
    forcePathStyle: true,
    requestHandler: { httpAgent: new http.Agent({ keepAlive: true, maxSockets: 50 }) },
  });
  const redis = env.REDIS_PORT ? redisClient(Number(env.REDIS_PORT)) : null;

  async function exists(key) {
    if (redis) return (await redis("GET", `${env.THUMBS}:${key}`)) !== null;
    try {
      await s3.send(new HeadObjectCommand({ Bucket: env.THUMBS, Key: key }));
      return true;
    } catch (error) {
      if (error.$metadata?.httpStatusCode === 404) return false;
      throw error;
    }
  }

  async function make(source, width, height, key) {
    const found = await s3.send(new GetObjectCommand({ Bucket: env.SOURCES, Key: source }));
    const data = await sharp(await found.Body.transformToByteArray())
      .autoOrient()
      .resize(width, height, { fit: "cover", fastShrinkOnLoad: env.FAST_SHRINK !== "false" })
      .jpeg({ quality: QUALITY, progressive: true })
      .toBuffer();
    await s3.send(
      new PutObjectCommand({ Bucket: env.THUMBS, Key: key, Body: data, ContentType: "image/jpeg" }),
    );
    if (redis) await redis("SET", `${env.THUMBS}:${key}`, "1");
  }

  async function answer(request, response) {
    const [, signature, signed, width, height, source] = TARGET.exec(request.url) ?? [];
    if (!signed || !genuine(signature, signed)) return end(response, 403);
    const key = `${signed}.jpg`;
    if (!(await exists(key))) await make(source, Number(width), Number(height), key);
    end(response, 302, {
      Location: `${env.S3_ENDPOINT}/${env.THUMBS}/${key}`,
      "Cache-Control": "public, max-age=300",
    });
  }

  http
    .createServer((request, response) => {
      answer(request, response).catch((error) => {
        console.error(error);
        end(response, error.name === "NoSuchKey" ? 404 : 500);
      });
    })
    .listen(Number(env.PORT), "127.0.0.1");
}

function end(response, status, headers = {}) {
  response.writeHead(status, { "Content-Length": 0, ...headers }).end();
}

function genuine(signature, signed) {
  const expected = crypto.createHmac("sha256", env.SECRET).update(signed).digest();
  const given = Buffer.from(signature, "base64url");
  return given.length === expected.length && crypto.timingSafeEqual(given, expected);
}

// As much of a Redis client as GET and SET need: one connection, answers in the order of the questions.
function redisClient(port) {
  const socket = net.connect(port, "127.0.0.1").setNoDelay(true);
  const waiting = [];
  let received = "";
  socket.on("error", (error) => {
    throw error;
  });
  socket.on("data", (data) => {
    received += data;
    for (let parsed; (parsed = parse(received)); received = received.slice(parsed.length)) {
      waiting.shift()(parsed.value);
    }
  });
  return (...words) =>
    new Promise((resolve) => {
      waiting.push(resolve);
      const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
      socket.write(`*${words.length}\r\n${parts.join("")}`);
    });
}

// The first whole answer of a text of ASCII, or null if the rest of it has not come yet.
function parse(text) {
  const line = text.indexOf("\r\n");
  if (line < 0) return null;
  const head = text.slice(1, line);
  if (text[0] === "+") return { value: head, length: line + 2 };
  if (text[0] !== "$") throw new Error(`Redis: ${text}`);
  if (head === "-1") return { value: null, length: line + 2 };
  const length = line + 2 + Number(head) + 2;
  return text.length < length ? null : { value: text.slice(line + 2, length - 2), length };
}
