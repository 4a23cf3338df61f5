<?php

declare(strict_types=1);

namespace Shrinkmeister;

/**
 * The size of a source, in pixels as they are stored. `Client` does not look these records up.
 *
 *     {"v":1,"w":4000,"h":3000,"f":1,"n":7}
 *
 * @internal
 */
final readonly class SourceRecord
{
    /**
     * @param bool  $flipped whether its EXIF orientation swaps width and height
     * @param mixed $version the option `version` of the thumbnail that was made of it; the record is not valid for
     *                       others
     */
    private function __construct(
        public int $width,
        public int $height,
        public bool $flipped,
        public mixed $version,
    ) {
    }

    /** @throws RecordError if the record is invalid */
    public static function parse(string $record): self
    {
        $fields = Fields::parse($record);
        $flipped = array_key_exists('f', $fields);
        if ($flipped && $fields['f'] !== 1) {
            throw new RecordError('the flag for flipped sources is not 1');
        }
        return new self(
            Fields::pixels($fields, 'w'),
            Fields::pixels($fields, 'h'),
            $flipped,
            $fields['n'] ?? null,
        );
    }
}
