<?php

declare(strict_types=1);

namespace Shrinkmeister;

/**
 * For how long records are believed: a thumbnail may have been lost from the bucket, and only the server can tell.
 *
 * @internal
 */
final readonly class Belief
{
    /** The key of a Unix time: what was recorded before it is not believed. */
    public const DOUBT = 'doubt';

    private int $doubt;

    /**
     * @param int         $checkTtl seconds after which a record is looked after at the latest
     * @param int|float   $now      Unix time
     * @param string|null $doubt    what stands under DOUBT
     */
    public function __construct(private int $checkTtl, private int|float $now, ?string $doubt)
    {
        // Nineteen nines become the largest integer, which is as far from now.
        $this->doubt = preg_match('/^[0-9]{1,19}$/D', $doubt ?? '') ? (int) $doubt : 0;
    }

    /** Whether it is time that the server looks whether the thumbnail is still stored. */
    public function isDue(string $key, ThumbnailRecord $record): bool
    {
        // Each after its own time, from half of it on: those of a page would all be due at once.
        $share = 0.5 + intval(substr($key, 3, 2), 36) / 2592;
        return $this->now - $record->checked >= $this->checkTtl * $share
            || ($record->checked < $this->doubt && $this->doubt <= $this->now);
    }
}
