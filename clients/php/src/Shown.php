<?php

declare(strict_types=1);

namespace Shrinkmeister;

/**
 * A value as messages show it.
 *
 * @internal
 */
final readonly class Shown
{
    public static function of(mixed $value): string
    {
        return match (true) {
            is_string($value) => (string) json_encode(
                $value,
                JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | JSON_INVALID_UTF8_SUBSTITUTE,
            ),
            is_bool($value), is_int($value), is_float($value) => var_export($value, true),
            default => get_debug_type($value),
        };
    }
}
