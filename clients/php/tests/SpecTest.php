<?php

declare(strict_types=1);

namespace Shrinkmeister\Tests;

use PHPUnit\Framework\TestCase;
use Shrinkmeister\Keys;
use Shrinkmeister\Source;
use Shrinkmeister\Spec;
use Shrinkmeister\SpecError;
use stdClass;

/** Specs, their keys and sources: the vectors, and values that only PHP has. */
final class SpecTest extends TestCase
{
    /** @dataProvider valid */
    public function testVector(stdClass $vector): void
    {
        $source = new Source(...$vector->source);
        $spec = new Spec($source, $vector->geometry, (array) $vector->options);
        self::assertSame($vector->canonical, $spec->canonical);
        self::assertSame($vector->canonical_sha256, hash('sha256', $spec->canonical));
        self::assertSame($vector->canonical, Spec::parse($vector->canonical)->canonical);
        self::assertSame($vector->record_key, Keys::record($spec));
        self::assertSame($vector->lock_key, Keys::lock($spec));
        self::assertSame($vector->source_key, Keys::source($source));
        self::assertSame($vector->object_name, Keys::object($spec, 'cache/'));
        self::assertSame($vector->object_name_2x, Keys::object($spec, 'cache/', '2'));
    }

    /** @return array<string, array{stdClass}> */
    public static function valid(): array
    {
        return Vectors::described(Vectors::load('specs')->valid);
    }

    /** @dataProvider invalid */
    public function testInvalidVector(stdClass $vector): void
    {
        $this->expectException(SpecError::class);
        Spec::parse($vector->canonical);
    }

    /** @return array<string, array{stdClass}> */
    public static function invalid(): array
    {
        return Vectors::described(Vectors::load('specs')->invalid);
    }

    /** @dataProvider refused */
    public function testRefusedVector(stdClass $vector): void
    {
        $this->expectException(SpecError::class);
        new Spec(new Source(...$vector->source), $vector->geometry, (array) $vector->options);
    }

    /** @return array<string, array{stdClass}> */
    public static function refused(): array
    {
        return Vectors::described(Vectors::load('specs')->refused);
    }

    public function testSources(): void
    {
        foreach (Vectors::load('specs')->sources as $vector) {
            $source = Source::parse($vector->text);
            self::assertSame($vector->source, [$source->scheme, $source->container, $source->name]);
        }
    }

    /** @dataProvider invalidSources */
    public function testInvalidSource(string $text): void
    {
        $this->expectException(SpecError::class);
        Source::parse($text);
    }

    /** @return list<array{string}> */
    public static function invalidSources(): array
    {
        $texts = [...Vectors::load('specs')->invalid_sources, "s3://photos\n/a.jpg", "https://example.com\n/a.jpg"];
        return array_map(static fn (string $text): array => [$text], $texts);
    }

    /**
     * @dataProvider options
     *
     * @param array<array-key, mixed> $options
     */
    public function testOptionsOfPhp(array $options, string $written): void
    {
        $canonical = "[\"s3\",\"b\",\"n\",\"1\",$written]";
        self::assertSame($canonical, self::spec($options)->canonical);
        self::assertSame($canonical, Spec::parse($canonical)->canonical);
    }

    /** @return array<string, array{array<array-key, mixed>, string}> */
    public static function options(): array
    {
        return [
            'none' => [[], '{}'],
            'an empty array inside' => [['a' => []], '{"a":[]}'],
            'an empty object inside' => [['a' => new stdClass()], '{"a":{}}'],
            'objects in arrays in objects' => [
                ['a' => [['z' => 1, 'b' => (object) ['c' => [null]]]]],
                '{"a":[{"b":{"c":[null]},"z":1}]}',
            ],
            'of a call' => [['raise_errors' => fopen(...), 'image_info' => NAN], '{}'],
            'of a call, inside' => [['a' => ['image_info' => 1]], '{"a":{"image_info":1}}'],
            'a default, inside' => [['a' => ['quality' => 95]], '{"a":{"quality":95}}'],
            'text that looks like a number' => [['quality' => '95', 'a' => '1e3'], '{"a":"1e3","quality":"95"}'],
            'null that is not a default' => [['quality' => null, 'rounded' => null], '{"quality":null}'],
            'false that is not a default' => [['cropbox' => false, 'blur' => false], '{"blur":false,"cropbox":false}'],
            'fractions' => [
                ['a' => 0.1 + 0.2, 'b' => 1 / 3, 'c' => 999999999999999.9, 'd' => -0.0001, 'e' => 5e-324 + 0.5],
                '{"a":0.30000000000000004,"b":0.3333333333333333,"c":999999999999999.9,"d":-0.0001,"e":0.5}',
            ],
            'whole fractions' => [
                ['a' => -0.0, 'b' => 9007199254740991.0, 'c' => -1e15, 'blur' => 0.0],
                '{"a":0,"b":9007199254740991,"c":-1000000000000000}',
            ],
            'names that differ in case' => [['B' => 1, 'a' => 1, '_' => 1, 'A' => 1], '{"A":1,"B":1,"_":1,"a":1}'],
            'characters' => [
                ['a' => "/<>&'\u{7f}\u{2028}\u{feff}\u{fffe}\u{10ffff}\0"],
                "{\"a\":\"/<>&'\u{7f}\u{2028}\u{feff}\u{fffe}\u{10ffff}\\u0000\"}",
            ],
            'eight levels' => [['a' => [[[[[[[[1]]]]]]]]], '{"a":[[[[[[[[1]]]]]]]]}'],
        ];
    }

    /**
     * @dataProvider invalidOptions
     *
     * @param array<array-key, mixed> $options
     */
    public function testInvalidOptionsOfPhp(array $options): void
    {
        $this->expectException(SpecError::class);
        self::spec($options);
    }

    /** @return array<string, array{array<array-key, mixed>}> */
    public static function invalidOptions(): array
    {
        $endless = [];
        $endless['a'] = &$endless;
        return [
            'a list' => [['crop']],
            'a number as name' => [['1' => 1]],
            'a number as name, inside' => [['a' => [1 => 1]]],
            'a number as name in an object' => [['a' => (object) ['1' => 1]]],
            'a newline after a name' => [["a\n" => 1]],
            'a letter beyond ASCII in a name' => [['ä' => 1]],
            'not a number' => [['a' => NAN]],
            'infinity' => [['a' => -INF]],
            'an integer beyond 2^53' => [['a' => 2 ** 53]],
            'the smallest integer' => [['a' => PHP_INT_MIN]],
            'a fraction beyond 2^53' => [['a' => 2.0 ** 53]],
            'a fraction that is too small' => [['a' => 0.00009999]],
            'text that is not UTF-8' => [['a' => "\xff"]],
            'half of a surrogate pair' => [['a' => "\xed\xa0\x80"]],
            'nine levels' => [['a' => [[[[[[[[[1]]]]]]]]]]],
            'endless levels' => [$endless],
            'an object of a class' => [['a' => new \ArrayObject()]],
            'a format that is not text' => [['format' => ['JPEG']]],
            'a format that is null' => [['format' => null]],
            'a format of no thumbnail' => [['format' => 'bmp']],
        ];
    }

    /** @dataProvider invalidGeometries */
    public function testInvalidGeometry(string $geometry): void
    {
        $this->expectException(SpecError::class);
        new Spec(new Source('s3', 'b', 'n'), $geometry);
    }

    /** @return list<array{string}> */
    public static function invalidGeometries(): array
    {
        return [[''], ['x'], ['300x'], ["300\n"], ["300x200\n"], [' 300'], ['300X200'], ['٣'], ['-1'], ['1x100000']];
    }

    public function testANameThatIsNotUtf8(): void
    {
        $this->expectException(SpecError::class);
        Source::parse("s3://photos/\xff.jpg");
    }

    /** @dataProvider boxes */
    public function testFilledSize(string $geometry, mixed $crop, mixed $padding, mixed $upscale, bool $filled): void
    {
        $spec = new Spec(new Source('s3', 'b', 'n'), $geometry, compact('crop', 'padding', 'upscale'));
        $sides = ['30x20' => [30, 20], '30' => [30, null], 'x20' => [null, 20]][$geometry];
        self::assertSame($filled ? $sides : [null, null], $spec->filledSize());
    }

    /** @return list<array{string, mixed, mixed, mixed, bool}> */
    public static function boxes(): array
    {
        return [
            ['30x20', 'center', false, true, true],
            ['30x20', '0', false, true, true],
            ['30x20', '', false, true, false],
            ['30x20', 0.0, false, true, false],
            ['30x20', [], false, true, false],
            ['30x20', new stdClass(), false, true, false],
            ['30x20', (object) ['a' => 1], false, true, true],
            ['30x20', 'noop', false, true, false],
            ['30x20', 'noop', true, true, true],
            ['30x20', false, '0', false, true],
            ['30x20', false, null, true, false],
            ['30x20', 'center', false, 0, false],
            ['30x20', 'center', false, '0', true],
            ['30', 'center', false, true, true],
            ['30', 'center', false, false, false],
            ['30', false, false, true, false],
            ['x20', false, true, false, true],
            ['x20', 'noop', false, true, false],
        ];
    }

    public function testAMessageAboutInvalidUtf8IsValidUtf8(): void
    {
        try {
            self::spec(['a' => "\xff"]);
            self::fail();
        } catch (SpecError $error) {
            self::assertSame(1, preg_match('/"\x{fffd}"/u', $error->getMessage()));
        }
    }

    /** @param array<array-key, mixed> $options */
    private static function spec(array $options): Spec
    {
        return new Spec(new Source('s3', 'b', 'n'), '1', $options);
    }
}
