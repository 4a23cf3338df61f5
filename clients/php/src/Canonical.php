<?php

declare(strict_types=1);

namespace Shrinkmeister;

use JsonException;
use stdClass;

/**
 * The one canonical form of JSON, in which equal values have equal bytes.
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
     * Arrays are JSON's arrays; objects are stdClass, with their members in order and names that need no escape.
     *
     * @throws SpecError where a text is not UTF-8
     */
    public static function encode(mixed $value): string
    {
        return match (true) {
            is_string($value) => self::text($value),
            is_array($value) => '[' . implode(',', array_map(self::encode(...), $value)) . ']',
            $value instanceof stdClass => self::members(get_object_vars($value)),
            // The shortest form that reads back, whatever php.ini says of serialize_precision.
            is_float($value) => sprintf('%.*H', -1, $value),
            default => (string) json_encode($value),
        };
    }

    /**
     * An object of these members.
     *
     * @param array<string, mixed> $members
     *
     * @throws SpecError where a text is not UTF-8
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
            throw new SpecError('not UTF-8: ' . Shown::of($text), previous: $error);
        }
    }
}
