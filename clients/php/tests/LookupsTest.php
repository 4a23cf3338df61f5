<?php

declare(strict_types=1);

namespace Shrinkmeister\Tests;

use Closure;
use PHPUnit\Framework\TestCase;
use RuntimeException;
use Shrinkmeister\Client;
use Shrinkmeister\Config;
use Shrinkmeister\SpecError;
use stdClass;
use Throwable;

/** Look-ups: the vectors, and caches that fail. */
final class LookupsTest extends TestCase
{
    private const KEYS = [
        'shrinkmeister:t1:5wyrt54keywf572trejokp4t2thsg7z4',
        'shrinkmeister:t1:lbe73r7nkxzl3j4omxf5zzsofjurorjf',
    ];

    /** @dataProvider vectors */
    public function testVector(stdClass $vector): void
    {
        $vectors = Vectors::load('lookups');
        $given = (object) [...(array) $vectors->config, ...(array) ($vector->config ?? [])];
        $asked = [];
        $client = new Client(new Config(
            secretKey: $given->secrets[0],
            serverUrl: $given->server_url,
            secretKeyFallbacks: array_slice($given->secrets, 1),
            mget: static function (array $keys) use ($vector, &$asked): array {
                $asked[] = $keys;
                return array_map(static fn (string $key): string|false => $vector->cache->$key ?? false, $keys);
            },
            keyPrefix: $given->key_prefix,
            prefix: $given->prefix,
            checkTtl: $given->check_ttl,
            urlTtl: $given->url_ttl,
            resolutions: $given->resolutions,
            options: (array) $given->options,
            onError: static fn (Throwable $error) => throw $error,
            clock: static fn (): int => $vector->now ?? $vectors->now,
        ));
        $options = (array) $vector->options;
        $thumbnail = $client->thumbnail($vector->source, $vector->geometry, $options);
        self::assertSame(
            [$vector->url, $vector->width, $vector->height, $vector->lazy],
            [$thumbnail->url, $thumbnail->width, $thumbnail->height, $thumbnail->lazy],
        );
        foreach ($vector->urls ?? [] as $resolution => $url) {
            self::assertSame($url, $thumbnail->urlOf((string) $resolution));
        }
        if ($vector->lazy) {
            self::assertSame($vector->url, $client->url($vector->source, $vector->geometry, $options));
        }
        self::assertCount(1, $asked);
        self::assertCount(2, $asked[0]);
        self::assertSame("{$given->key_prefix}doubt", $asked[0][1]);
    }

    /** @return array<string, array{stdClass}> */
    public static function vectors(): array
    {
        return Vectors::described(Vectors::load('lookups')->vectors);
    }

    public function testAListIsOneRoundTripWhichAsksForEachKeyOnce(): void
    {
        $asked = [];
        $recorded = self::vectors()['recorded in a public bucket'][0];
        $client = self::client(static function (array $keys) use (&$asked, $recorded): array {
            $asked[] = $keys;
            return array_map(static fn (string $key): ?string => $recorded->cache->$key ?? null, $keys);
        });
        $plain = [$recorded->source, $recorded->geometry];
        $thumbnails = $client->thumbnails([
            'first' => $plain,
            'cropped' => [$recorded->source, '300x200', ['crop' => 'center']],
            'again' => [...$plain, ['quality' => 95]],
            'named' => ['geometry' => $recorded->geometry, 'source' => $recorded->source],
        ]);
        self::assertSame([[...self::KEYS, 'shrinkmeister:doubt']], $asked);
        self::assertSame(['first', 'cropped', 'again', 'named'], array_keys($thumbnails));
        self::assertSame($recorded->url, $thumbnails['first']->url);
        self::assertEquals($thumbnails['first'], $thumbnails['again']);
        self::assertEquals($thumbnails['first'], $thumbnails['named']);
        self::assertTrue($thumbnails['cropped']->lazy);
    }

    public function testUrlsAndEmptyListsDoNotAskTheCache(): void
    {
        $asked = 0;
        $client = self::client(static function (array $keys) use (&$asked): array {
            $asked++;
            return array_fill(0, count($keys), null);
        });
        self::assertSame([], $client->thumbnails([]));
        self::assertStringStartsWith('https://', $client->url('s3://photos/a.jpg', '300'));
        self::assertSame(0, $asked);
    }

    public function testWithoutACacheEverythingIsLazy(): void
    {
        $client = self::client(null);
        $thumbnail = $client->thumbnail('s3://photos/a.jpg', '300');
        self::assertTrue($thumbnail->lazy);
        self::assertSame($client->url('s3://photos/a.jpg', '300'), $thumbnail->url);
    }

    /** @dataProvider failures */
    public function testAFailureIsAMissAndOpensTheBreaker(Closure $fail, string $part): void
    {
        [$now, $asked, $errors] = [1800000000.0, 0, []];
        $client = self::client(
            static function (array $keys) use ($fail, &$asked): mixed {
                $asked++;
                return $fail($keys);
            },
            static function (Throwable $error) use (&$errors): void {
                $errors[] = $error->getMessage();
            },
            static function () use (&$now): float {
                return $now;
            },
        );
        foreach ([[0, 1], [0, 1], [4.9, 1], [0.1, 2], [4.9, 2], [3600, 3], [-3600, 4]] as [$seconds, $times]) {
            $now += $seconds;
            $thumbnails = $client->thumbnails([['s3://photos/a.jpg', '300'], ['s3://photos/b.jpg', '300']]);
            self::assertSame([true, true], array_column($thumbnails, 'lazy'));
            self::assertSame($times, $asked);
        }
        self::assertCount(4, $errors);
        self::assertStringContainsString($part, $errors[0]);
    }

    /** @return array<string, array{Closure, string}> */
    public static function failures(): array
    {
        return [
            'an exception' => [static fn (): array => throw new RuntimeException('gone'), 'gone'],
            'an error of PHP' => [static fn (): array => array_values(false), 'array_values'],
            'false' => [static fn (): bool => false, 'false for 3'],
            'a value too few' => [static fn (array $keys): array => array_fill(0, count($keys) - 1, null), '2 values for 3 keys'],
            'a value too many' => [static fn (array $keys): array => [...$keys, null], '4 values for 3 keys'],
            'a map' => [static fn (array $keys): array => array_flip($keys), 'a list'],
            'an array as value' => [static fn (array $keys): array => [[], false, false], 'type array'],
        ];
    }

    public function testACacheThatAnswersAgainIsUsedAgain(): void
    {
        [$now, $broken] = [1800000000, true];
        $recorded = self::vectors()['recorded in a public bucket'][0];
        $client = self::client(
            static function (array $keys) use (&$broken, $recorded): array {
                $values = array_map(static fn (string $key): ?string => $recorded->cache->$key ?? null, $keys);
                return $broken ? [] : $values;
            },
            static fn (Throwable $error) => null,
            static function () use (&$now): int {
                return $now;
            },
        );
        self::assertTrue($client->thumbnail($recorded->source, $recorded->geometry)->lazy);
        [$broken, $now] = [false, $now + 5];
        self::assertFalse($client->thumbnail($recorded->source, $recorded->geometry)->lazy);
    }

    public function testWithoutOnErrorAFailureIsInTheErrorLog(): void
    {
        $log = (string) tempnam(sys_get_temp_dir(), 'shrinkmeister');
        $former = ini_set('error_log', $log);
        try {
            $client = self::client(static fn (): array => throw new RuntimeException('gone'));
            $client->thumbnail('s3://photos/a.jpg', '300');
            self::assertStringContainsString('5 s: gone', (string) file_get_contents($log));
        } finally {
            ini_set('error_log', (string) $former);
            unlink($log);
        }
    }

    public function testAnInvalidRecordIsAMiss(): void
    {
        $values = [
            'not signed' => '{"v":1,"w":1,"h":1,"t":1800000000,"u":"https://evil.example.com/"}',
            'of another thumbnail' => current((array) self::vectors()['recorded, another format'][0]->cache),
            'a number' => '1',
            'not UTF-8' => "\xff",
            'deep' => str_repeat('[', 9999),
        ];
        foreach ($values as $value) {
            $client = self::client(static fn (array $keys): array => array_fill(0, count($keys), $value));
            self::assertTrue($client->thumbnail('s3://photos/2024/dawn.jpg', '300')->lazy);
        }
    }

    public function testAnInvalidRequestIsAnError(): void
    {
        $this->expectException(SpecError::class);
        self::client(null)->thumbnails([['s3://photos/a.jpg', '300'], ['s3://photos/a.jpg', 'large']]);
    }

    public function testAnInvalidResolutionIsAnError(): void
    {
        $thumbnail = self::client(null)->thumbnail('s3://photos/a.jpg', '300');
        $this->expectException(SpecError::class);
        $thumbnail->urlOf("2\n");
    }

    private static function client(?Closure $mget, ?Closure $onError = null, ?Closure $clock = null): Client
    {
        $vectors = Vectors::load('lookups');
        return new Client(new Config(
            secretKey: $vectors->config->secrets[0],
            serverUrl: $vectors->config->server_url,
            mget: $mget,
            onError: $onError,
            clock: $clock ?? static fn (): int => $vectors->now,
        ));
    }
}
