<?php

declare(strict_types=1);

namespace Shrinkmeister;

/**
 * When a record is stale: a page then shows the lazy URL, and the server checks that the object exists.
 *
 * @internal
 */
final readonly class Freshness
{
    /** The key of the Unix time of the last loss of objects: records verified before it are distrusted. */
    public const DISTRUST_BEFORE_KEY = 'doubt';

    private int $distrustBefore;

    /**
     * @param int         $checkTtl       seconds for which a page uses a record without a check of the object
     * @param int|float   $now            Unix time
     * @param string|null $distrustBefore the value of DISTRUST_BEFORE_KEY
     */
    public function __construct(private int $checkTtl, private int|float $now, ?string $distrustBefore)
    {
        // A cast turns larger numbers into the largest integer, which is in the far future too.
        $this->distrustBefore = preg_match('/^[0-9]{1,19}$/D', $distrustBefore ?? '') ? (int) $distrustBefore : 0;
    }

    /** Return whether the server has to check the object of a record before pages use it. */
    public function isStale(string $key, ThumbnailRecord $record): bool
    {
        // Each record gets stale at its own time in the second half of `checkTtl`. Otherwise all records of a page
        // would get stale at once.
        $share = 0.5 + intval(substr($key, 3, 2), 36) / 2592;
        return $this->now - $record->verifiedAt >= $this->checkTtl * $share
            || ($record->verifiedAt < $this->distrustBefore && $this->distrustBefore <= $this->now);
    }
}
