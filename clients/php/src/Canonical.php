<?php

declare(strict_types=1);

namespace Shrinkmeister;

use JsonException;
use stdClass;

/**
 * The canonical form of JSON, which has equal bytes for equal values.
 *
 *     Canonical::encode(['s3', 'photos', 'dawn.jpg'])    ["s3","photos","dawn.jpg"]
 *
 * @internal
 */
final readonly class Canonical
{
    private const FLAGS = JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_LINE_TERMINATORS
        | JSON_THROW_ON_ERROR;

    /**
     * Return the canonical form of a value. A PHP array is written as a JSON array, and a stdClass as an object. The
     * caller has sorted its members, whose names need no escapes.
     *
     * @throws SpecError if a text is not UTF-8
     */
    public static function encode(mixed $value): string
    {
        return match (true) {
            is_string($value) => self::text($value),
            is_array($value) => '[' . implode(',', array_map(self::encode(...), $value)) . ']',
            $value instanceof stdClass => self::members(get_object_vars($value)),
            // The shortest form that gives the same float again, independent of serialize_precision in php.ini.
            is_float($value) => sprintf('%.*H', -1, $value),
            default => (string) json_encode($value),
        };
    }

    /**
     * Return the canonical form of an object with these members.
     *
     * @param array<string, mixed> $members
     *
     * @throws SpecError if a text is not UTF-8
     */
    public static function members(array $members): string
    {
        $written = [];
        foreach ($members as $name => $value) {
            $written[] = '"' . $name . '":' . self::encode($value);
        }
        return '{' . implode(',', $written) . '}';
    }

    private static function text(string $text): string
    {
        try {
            return json_encode($text, self::FLAGS);
        } catch (JsonException $error) {
            throw new SpecError('a name or an option is not UTF-8: ' . Shown::of($text), previous: $error);
        }
    }
}
