<?php

declare(strict_types=1);

namespace Shrinkmeister;

/**
 * How many times the pixels a file has: "2", "1.5".
 *
 * @internal
 */
final readonly class Resolution
{
    public static function isOne(mixed $value): bool
    {
        return is_string($value) && preg_match('/^[0-9]+(?:\.[0-9]+)?$/D', $value);
    }
}
