<?php

declare(strict_types=1);

namespace Shrinkmeister;

/**
 * The factor of a file with more pixels: "2", "1.5".
 *
 * @internal
 */
final readonly class Resolution
{
    public static function isValid(mixed $value): bool
    {
        return is_string($value) && preg_match('/^[0-9]+(?:\.[0-9]+)?$/D', $value);
    }
}
