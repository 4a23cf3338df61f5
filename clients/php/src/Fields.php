<?php

declare(strict_types=1);

namespace Shrinkmeister;

use JsonException;
use stdClass;

/**
 * The members of all kinds of records: a version and pixels.
 *
 * @internal
 */
final readonly class Fields
{
    private const VERSION = 1;
    private const MAX_PIXELS = 2147483647;

    /**
     * Return the members of a record, by their names.
     *
     * @return array<array-key, mixed>
     *
     * @throws RecordError unless the record is a JSON object of version 1
     */
    public static function parse(string $record): array
    {
        try {
            // Objects as stdClass: as arrays, {"0":"2"} would be ["2"].
            $fields = json_decode($record, false, flags: JSON_THROW_ON_ERROR);
        } catch (JsonException $error) {
            throw new RecordError('the value is not JSON', previous: $error);
        }
        if (!$fields instanceof stdClass || ($fields->v ?? null) !== self::VERSION) {
            throw new RecordError('the value is not a record of version ' . self::VERSION);
        }
        return get_object_vars($fields);
    }

    /**
     * Return a member that is a number of pixels.
     *
     * @param array<array-key, mixed> $fields
     *
     * @throws RecordError
     */
    public static function pixels(array $fields, string $name): int
    {
        $value = $fields[$name] ?? null;
        if (!is_int($value) || $value < 1 || $value > self::MAX_PIXELS) {
            throw new RecordError('the width or the height is not a number of pixels');
        }
        return $value;
    }
}
