<?php

declare(strict_types=1);

namespace Shrinkmeister\Tests;

use PHPUnit\Framework\TestCase;
use Shrinkmeister\RecordError;
use Shrinkmeister\Signer;
use Shrinkmeister\SourceRecord;
use Shrinkmeister\ThumbnailRecord;
use stdClass;

/** Records and their signatures, against the vectors. */
final class RecordsTest extends TestCase
{
    /** @dataProvider thumbnails */
    public function testThumbnail(stdClass $vector): void
    {
        $record = ThumbnailRecord::parse($vector->record);
        self::assertSame(
            [$vector->width, $vector->height, $vector->base, $vector->resolutions, $vector->checked],
            [$record->width, $record->height, $record->base, $record->resolutions, $record->verifiedAt],
        );
    }

    /** @return array<string, array{stdClass}> */
    public static function thumbnails(): array
    {
        return Vectors::described(Vectors::load('records')->thumbnails);
    }

    /** @dataProvider sources */
    public function testSource(stdClass $vector): void
    {
        $record = SourceRecord::parse($vector->record);
        self::assertSame(
            [$vector->width, $vector->height, $vector->flipped, $vector->version ?? null],
            [$record->width, $record->height, $record->flipped, $record->version],
        );
    }

    /** @return array<string, array{stdClass}> */
    public static function sources(): array
    {
        return Vectors::described(Vectors::load('records')->sources);
    }

    /**
     * @dataProvider invalid
     *
     * @param class-string $kind
     */
    public function testInvalid(string $kind, string $record): void
    {
        $this->expectException(RecordError::class);
        $kind::parse($record);
    }

    /** @return array<string, array{class-string, string}> */
    public static function invalid(): array
    {
        $classes = ['thumbnail' => ThumbnailRecord::class, 'source' => SourceRecord::class];
        $cases = [
            'resolutions that are an object' => [ThumbnailRecord::class, '{"v":1,"w":300,"h":200,"r":{"0":"2"}}'],
            'a width beyond 64 bits' => [ThumbnailRecord::class, '{"v":1,"w":99999999999999999999,"h":2}'],
        ];
        foreach (Vectors::load('records')->invalid as $vector) {
            foreach ($classes as $kind => $class) {
                if (in_array($vector->kind, ['both', $kind], true)) {
                    $cases["$kind: $vector->description"] = [$class, $vector->record];
                }
            }
        }
        return $cases;
    }

    public function testTheLastOfDuplicateMembersIsUsed(): void
    {
        self::assertSame(5, ThumbnailRecord::parse('{"v":1,"w":300,"h":200,"w":5}')->width);
    }

    public function testSigningKey(): void
    {
        $vectors = Vectors::load('records')->seals;
        self::assertSame($vectors->key, bin2hex(Signer::key($vectors->secret)));
    }

    /** @dataProvider signed */
    public function testSignature(stdClass $vector): void
    {
        $secret = Vectors::load('records')->seals->secret;
        self::assertSame($vector->record, (new Signer([$secret]))->unsign($vector->under, $vector->sealed));
        self::assertSame($vector->record, (new Signer(['another', $secret]))->unsign($vector->under, $vector->sealed));
        self::assertSame($vector->sealed, Signing::sign($secret, $vector->under, $vector->record));
    }

    /** @return array<string, array{stdClass}> */
    public static function signed(): array
    {
        return Vectors::described(Vectors::load('records')->seals->valid);
    }

    /** @dataProvider notSigned */
    public function testInvalidSignature(stdClass $vector): void
    {
        $this->expectException(RecordError::class);
        (new Signer([Vectors::load('records')->seals->secret]))->unsign($vector->under, $vector->sealed);
    }

    /** @return array<string, array{stdClass}> */
    public static function notSigned(): array
    {
        return Vectors::described(Vectors::load('records')->seals->invalid);
    }
}
