<?php

declare(strict_types=1);

namespace Shrinkmeister\Tests;

use LogicException;
use stdClass;

/** The format as data: any implementation, in any language, has to agree with these files. */
final readonly class Vectors
{
    public static function load(string $name): stdClass
    {
        $file = dirname(__DIR__, 3) . "/tests/vectors/$name.json";
        return json_decode((string) file_get_contents($file), false, flags: JSON_THROW_ON_ERROR);
    }

    /**
     * As data providers give them, by their descriptions.
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
            : throw new LogicException('two vectors have one description');
    }
}
