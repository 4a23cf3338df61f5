<?php

declare(strict_types=1);

namespace Shrinkmeister;

use stdClass;

/**
 * The options of a thumbnail as JSON values, and their defaults.
 *
 * @internal
 */
final readonly class Options
{
    /** A spec omits options with these values, and the server puts them back. */
    private const DEFAULTS = [
        'format' => 'JPEG',
        'quality' => 95,
        'colorspace' => 'RGB',
        'upscale' => true,
        'crop' => false,
        'cropbox' => null,
        'rounded' => null,
        'padding' => false,
        'padding_color' => '#ffffff',
        'progressive' => true,
        'orientation' => true,
        'blur' => 0,
        'flatten' => false,
    ];

    /** The formats by the names that callers may write, in any case. */
    private const FORMATS = [
        'jpg' => 'JPEG',
        'jpeg' => 'JPEG',
        'png' => 'PNG',
        'gif' => 'GIF',
        'webp' => 'WEBP',
        'avif' => 'AVIF',
    ];

    /** Options that do not change the picture. */
    private const CALL_OPTIONS = ['raise_errors', 'image_info'];

    private const NAME = '/^[A-Za-z_][A-Za-z0-9_]*$/D';

    /** JSON of every language keeps integers up to 2^53 - 1 exactly. */
    public const MAX_INTEGER = 9007199254740991;

    private const MAX_DEPTH = 8;

    /**
     * Return options as JSON values, sorted, without defaults and without those that do not change the picture.
     *
     * @param array<array-key, mixed> $options
     *
     * @return array<string, mixed> in which objects are stdClass, and arrays are lists
     *
     * @throws SpecError
     */
    public static function plain(array $options): array
    {
        $plain = [];
        foreach ($options as $name => $value) {
            if (in_array($name, self::CALL_OPTIONS, true)) {
                continue;
            }
            $value = self::value(self::name($name), $value, 0);
            if ($name === 'format' && is_string($value)) {
                $value = self::FORMATS[strtolower($value)] ?? $value;
            }
            if (!array_key_exists($name, self::DEFAULTS) || self::DEFAULTS[$name] !== $value) {
                $plain[$name] = $value;
            }
        }
        ksort($plain, SORT_STRING);
        return $plain;
    }

    /**
     * Return every option, including defaults.
     *
     * @param array<string, mixed> $plain
     *
     * @return array<string, mixed>
     */
    public static function full(array $plain): array
    {
        return $plain + self::DEFAULTS;
    }

    /** Return whether the server, which is Python, takes a value for true. "0" is true, an empty object is not. */
    public static function isTrue(mixed $plain): bool
    {
        $plain = $plain instanceof stdClass ? get_object_vars($plain) : $plain;
        return !in_array($plain, [false, null, 0, '', []], true);
    }

    private static function name(int|string $name): string
    {
        if (!is_string($name) || !preg_match(self::NAME, $name)) {
            throw new SpecError(Shown::of($name) . ' is not a valid option name; use letters, digits and underscores');
        }
        return $name;
    }

    /** Return a value as JSON has it. */
    private static function value(string $name, mixed $value, int $depth): mixed
    {
        if (is_string($value) || is_bool($value) || $value === null) {
            return $value;
        }
        if (is_float($value) && floor($value) === $value && abs($value) <= self::MAX_INTEGER) {
            return (int) $value;
        }
        if (is_float($value) && abs($value) >= 1e-4 && abs($value) < 1e15) {
            return $value;
        }
        if (is_int($value) && $value >= -self::MAX_INTEGER && $value <= self::MAX_INTEGER) {
            return $value;
        }
        if (is_array($value) && array_is_list($value) && $depth < self::MAX_DEPTH) {
            return array_map(static fn (mixed $item): mixed => self::value($name, $item, $depth + 1), $value);
        }
        if ((is_array($value) || $value instanceof stdClass) && $depth < self::MAX_DEPTH) {
            return self::object((array) $value, $depth + 1);
        }
        throw new SpecError(
            "the option $name contains " . Shown::of($value) . ', which cannot be part of a URL; use UTF-8 text, true, '
            . 'false, null, integers up to 2^53 - 1, fractions from 0.0001 to 10^15, or arrays and stdClass objects '
            . 'of them, at most ' . self::MAX_DEPTH . ' levels deep'
        );
    }

    /** @param array<array-key, mixed> $members */
    private static function object(array $members, int $depth): stdClass
    {
        $plain = [];
        foreach ($members as $name => $value) {
            $plain[$name] = self::value(self::name($name), $value, $depth);
        }
        ksort($plain, SORT_STRING);
        return (object) $plain;
    }
}
