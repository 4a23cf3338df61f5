<?php

declare(strict_types=1);

namespace Shrinkmeister;

use stdClass;

/**
 * What a thumbnail's options may be, and how a spec writes them.
 *
 * @internal
 */
final readonly class Options
{
    /** Options that a spec leaves out when they have these values. The server puts them back. */
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

    /** Options of a call that say nothing about the picture. */
    private const OF_CALLS = ['raise_errors', 'image_info'];

    private const NAME = '/^[A-Za-z_][A-Za-z0-9_]*$/D';

    /** What every language's JSON keeps exactly: 2^53 - 1. */
    public const MAX_INTEGER = 9007199254740991;

    private const MAX_DEPTH = 8;

    /**
     * Options as a spec has them: sorted, without defaults and without those of the call alone.
     *
     * @param array<array-key, mixed> $options
     *
     * @return array<string, mixed> whose objects are stdClass, and whose arrays are lists
     *
     * @throws SpecError
     */
    public static function plain(array $options): array
    {
        $plain = [];
        foreach ($options as $name => $value) {
            if (in_array($name, self::OF_CALLS, true)) {
                continue;
            }
            $value = self::value(self::name($name), $value, 0);
            if (!array_key_exists($name, self::DEFAULTS) || self::DEFAULTS[$name] !== $value) {
                $plain[$name] = $value;
            }
        }
        ksort($plain, SORT_STRING);
        return $plain;
    }

    /**
     * With the defaults put back.
     *
     * @param array<string, mixed> $plain
     *
     * @return array<string, mixed>
     */
    public static function full(array $plain): array
    {
        return $plain + self::DEFAULTS;
    }

    /** Whether an engine, which is Python, takes the value for true: "0" is, and an empty object is not. */
    public static function isTrue(mixed $plain): bool
    {
        $plain = $plain instanceof stdClass ? get_object_vars($plain) : $plain;
        return !in_array($plain, [false, null, 0, '', []], true);
    }

    private static function name(int|string $name): string
    {
        if (!is_string($name) || !preg_match(self::NAME, $name)) {
            throw new SpecError(Shown::of($name) . " is not an option's name: letters, digits and underscores");
        }
        return $name;
    }

    /** The value as JSON has it, the same on every machine. */
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
            "the option $name=" . Shown::of($value) . ' cannot travel in a URL: use text, true, false, null, '
            . 'integers below 2^53, fractions from 0.0001 to 10^15, or arrays of them, eight deep at most'
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
