// sharp as a worker of bench/engine.py: the name of a source comes in on a line, the milliseconds that its
// thumbnail took go out on another, of the clock and of the processor. The thumbnail itself is written to a
// file, after the clock has stopped.
//
//     node engine.js <file of the thumbnail> <true or false: fastShrinkOnLoad>

const { readFile, writeFile } = require("node:fs/promises");
const readline = require("node:readline");
const sharp = require("sharp");

const [thumbnail, fastShrinkOnLoad] = process.argv.slice(2);
sharp.concurrency(1);
// It would remember what it did to the same source the round before.
sharp.cache(false);

function made(source) {
  return sharp(source)
    .autoOrient()
    .resize(300, 200, { fit: "cover", fastShrinkOnLoad: fastShrinkOnLoad === "true" })
    .jpeg({ quality: 95, chromaSubsampling: "4:2:0", progressive: true, optimiseCoding: true })
    .toBuffer();
}

async function main() {
  for await (const name of readline.createInterface({ input: process.stdin })) {
    const source = await readFile(name);
    const start = performance.now();
    const before = process.cpuUsage();
    const data = await made(source);
    const clock = performance.now() - start;
    const { user, system } = process.cpuUsage(before);
    await writeFile(thumbnail, data);
    console.log(clock, (user + system) / 1000);
  }
}

main();
