<?php

declare(strict_types=1);

namespace Shrinkmeister;

use JsonException;
use stdClass;

/**
 * The members that records of all kinds have: a version, and pixels.
 *
 * @internal
 */
final readonly class Fields
{
    private const VERSION = 1;
    private const MAX_PIXELS = 2147483647;

    /**
     * @return array<array-key, mixed> the members of the object, by their names
     *
     * @throws RecordError for what is not a JSON object of version 1
     */
    public static function parse(string $record): array
    {
        try {
            // Objects as stdClass: as arrays, {"0":"2"} would be ["2"].
            $fields = json_decode($record, false, flags: JSON_THROW_ON_ERROR);
        } catch (JsonException $error) {
            throw new RecordError('not JSON', previous: $error);
        }
        if (!$fields instanceof stdClass || ($fields->v ?? null) !== self::VERSION) {
            throw new RecordError('not a record of version ' . self::VERSION);
        }
        return get_object_vars($fields);
    }

    /**
     * @param array<array-key, mixed> $fields
     *
     * @throws RecordError
     */
    public static function pixels(array $fields, string $name): int
    {
        $value = $fields[$name] ?? null;
        if (!is_int($value) || $value < 1 || $value > self::MAX_PIXELS) {
            throw new RecordError("a record whose \"$name\" is not a number of pixels");
        }
        return $value;
    }
}
