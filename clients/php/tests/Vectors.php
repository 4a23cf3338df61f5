<?php

declare(strict_types=1);

namespace Shrinkmeister\Tests;

use LogicException;
use stdClass;

/** The vectors that all implementations share. */
final readonly class Vectors
{
    public static function load(string $name): stdClass
    {
        $file = dirname(__DIR__, 3) . "/tests/vectors/$name.json";
        return json_decode((string) file_get_contents($file), false, flags: JSON_THROW_ON_ERROR);
    }

    /**
     * Return vectors by their descriptions, as data providers do.
     *
     * @param list<stdClass> $vectors
     *
     * @return array<string, array{stdClass}>
     */
    public static function described(array $vectors): array
    {
        $described = [];
        foreach ($vectors as $vector) {
            $described[$vector->description] = [$vector];
        }
        return count($described) === count($vectors)
            ? $described
            : throw new LogicException('two vectors have the same description');
    }
}
