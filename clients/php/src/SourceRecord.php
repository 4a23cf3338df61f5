<?php

declare(strict_types=1);

namespace Shrinkmeister;

/**
 * The size of a source, in pixels as they are stored: what the server records beside thumbnails.
 *
 *     {"v":1,"w":4000,"h":3000,"f":1,"n":7}
 *
 * No look-up asks for it: `Client` tells the sizes of thumbnails.
 *
 * @internal
 */
final readonly class SourceRecord
{
    /**
     * @param bool  $flipped whether its EXIF orientation exchanges width and height
     * @param mixed $version the option `version` of the thumbnail for which the source was read; the record says
     *                       nothing about a source of another version
     */
    private function __construct(
        public int $width,
        public int $height,
        public bool $flipped,
        public mixed $version,
    ) {
    }

    /** @throws RecordError for anything else than what the server writes */
    public static function parse(string $record): self
    {
        $fields = Fields::parse($record);
        $flipped = array_key_exists('f', $fields);
        if ($flipped && $fields['f'] !== 1) {
            throw new RecordError('a record of a source that is neither turned nor not');
        }
        return new self(
            Fields::pixels($fields, 'w'),
            Fields::pixels($fields, 'h'),
            $flipped,
            $fields['n'] ?? null,
        );
    }
}
