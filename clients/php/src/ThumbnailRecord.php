<?php

declare(strict_types=1);

namespace Shrinkmeister;

/**
 * A thumbnail that is stored.
 *
 *     {"v":1,"w":300,"h":200,"t":1795612345,"r":["2"],"u":"https://my-thumbnails.s3.amazonaws.com/cache/"}
 *
 * @internal
 */
final readonly class ThumbnailRecord
{
    // json_decode() rejects halves of surrogate pairs.
    private const URL = '/^https?:\/\/[^?#<>"\'&\\\\\x00-\x20\x7f]+$/Du';

    /**
     * @param int          $width       pixels of the written file
     * @param int          $height      pixels of the written file
     * @param string|null  $base        its final URL without its object name; null in a private bucket
     * @param list<string> $resolutions the alternative resolutions that are stored too: ["2", "1.5"]
     * @param int          $verifiedAt  Unix time when it was known to be stored; 0 if unknown
     */
    private function __construct(
        public int $width,
        public int $height,
        public ?string $base,
        public array $resolutions,
        public int $verifiedAt,
    ) {
    }

    /** @throws RecordError if the record is invalid */
    public static function parse(string $record): self
    {
        $fields = Fields::parse($record);
        if (array_key_exists('u', $fields) && !(is_string($fields['u']) && preg_match(self::URL, $fields['u']))) {
            throw new RecordError('the URL is not a permanent http(s) URL');
        }
        if (array_key_exists('r', $fields) && !self::areResolutions($fields['r'])) {
            throw new RecordError('the resolutions are not a list of factors');
        }
        if (array_key_exists('t', $fields) && !self::isTime($fields['t'])) {
            throw new RecordError('the time is not a number of seconds');
        }
        return new self(
            Fields::pixels($fields, 'w'),
            Fields::pixels($fields, 'h'),
            $fields['u'] ?? null,
            $fields['r'] ?? [],
            $fields['t'] ?? 0,
        );
    }

    /**
     * Return whether all of these are stored. Pages make the URL of each without asking.
     *
     * @param list<string> $resolutions
     */
    public function has(array $resolutions): bool
    {
        return array_diff($resolutions, $this->resolutions) === [];
    }

    private static function areResolutions(mixed $value): bool
    {
        return is_array($value) && $value !== [] && $value === array_filter($value, Resolution::isValid(...));
    }

    private static function isTime(mixed $value): bool
    {
        return is_int($value) && $value >= 1 && $value <= Options::MAX_INTEGER;
    }
}
