<?php

/**
 * Measure how many lazy URLs and recorded thumbnails one thread makes per second: `php bench.php`.
 *
 * The cache is an array in memory. Consecutive lists of 100 have different thumbnails.
 */

declare(strict_types=1);

use Shrinkmeister\Client;
use Shrinkmeister\Config;
use Shrinkmeister\Keys;
use Shrinkmeister\Source;
use Shrinkmeister\Spec;
use Shrinkmeister\Tests\Signing;

require __DIR__ . '/tests/bootstrap.php';

const SECRET = 'the secret of the bench, which is long enough';
const THUMBNAILS = 10000;
const LIST_LENGTH = 100;
const SECONDS = 2.0;
const WARM_UP_SECONDS = 0.5;

/** Call $step, which makes $each thumbnails, for some seconds. Return the thumbnails per second. */
function rate(callable $step, int $each, float $seconds): float
{
    $start = hrtime(true);
    for ($steps = 0; ($elapsed = (hrtime(true) - $start) / 1e9) < $seconds; $steps++) {
        $step($steps);
    }
    return $steps * $each / $elapsed;
}

$requests = [];
$records = [];
for ($n = 0; $n < THUMBNAILS; $n++) {
    $requests[] = $request = ["s3://photos/2024/$n.jpg", '300x200', ['crop' => 'center']];
    $key = Keys::record(new Spec(Source::parse($request[0]), $request[1], $request[2]));
    $record = '{"v":1,"w":300,"h":200,"t":' . time() . ',"u":"https://my-thumbnails.s3.amazonaws.com/cache/"}';
    $records["shrinkmeister:$key"] = Signing::sign(SECRET, $key, $record);
}
$lists = array_chunk($requests, LIST_LENGTH);

$client = new Client(new Config(
    secretKey: SECRET,
    serverUrl: 'https://thumbs.example.com',
    mget: static fn (array $keys): array => array_map(static fn (string $key) => $records[$key] ?? null, $keys),
));
foreach ($client->thumbnails($requests) as $thumbnail) {
    if ($thumbnail->lazy) {
        throw new LogicException('a recorded thumbnail is lazy');
    }
}

$url = static fn (int $n): string => $client->url(...$requests[$n % THUMBNAILS]);
$lookUp = static fn (int $n): array => $client->thumbnails($lists[$n % count($lists)]);
rate($url, 1, WARM_UP_SECONDS);
$urls = rate($url, 1, SECONDS);
rate($lookUp, LIST_LENGTH, WARM_UP_SECONDS);
$recorded = rate($lookUp, LIST_LENGTH, SECONDS);
echo json_encode(['urls' => (int) round($urls), 'recorded' => (int) round($recorded)]), "\n";
