<?php

declare(strict_types=1);

namespace Shrinkmeister;

use Closure;
use Throwable;
use UnexpectedValueException;

/**
 * The shared cache behind a breaker. A failure is a miss, and never an exception.
 *
 * @internal
 */
final class SharedCache
{
    /** How long the breaker stays open, so that a page waits for a dead cache only once. */
    public const BREAKER_SECONDS = 5;

    private int|float $failedAt = -INF;

    /**
     * @param Closure(list<string>): mixed $mget    returns the values of keys; false or null for a missing key
     * @param string                       $prefix  prepended to each key
     * @param Closure(Throwable): mixed    $onError called when the cache fails
     * @param Closure(): (int|float)       $clock   returns the Unix time
     */
    public function __construct(
        private readonly Closure $mget,
        private readonly string $prefix,
        private readonly Closure $onError,
        private readonly Closure $clock,
    ) {
    }

    /**
     * Return the values of those keys that exist, in one round trip.
     *
     * @param list<string> $keys without the prefix
     *
     * @return array<string, string>
     */
    public function get(array $keys): array
    {
        $age = ($this->clock)() - $this->failedAt;
        // The age is negative after the clock was set back.
        if ($age >= 0 && $age < self::BREAKER_SECONDS) {
            return [];
        }
        try {
            $names = array_map(fn (string $key): string => $this->prefix . $key, $keys);
            return self::found($keys, ($this->mget)($names));
        } catch (Throwable $error) {
            // Even a TypeError of the library must not break the page.
            $this->failedAt = ($this->clock)();
            ($this->onError)($error);
            return [];
        }
    }

    /**
     * @param list<string> $keys
     *
     * @return array<string, string>
     */
    private static function found(array $keys, mixed $values): array
    {
        if (!is_array($values) || !array_is_list($values) || count($values) !== count($keys)) {
            $shown = is_array($values) ? 'an array of ' . count($values) . ' values' : Shown::of($values);
            throw new UnexpectedValueException(
                "mget returned $shown for " . count($keys) . ' keys; return a list of their values, in their order'
            );
        }
        $found = [];
        foreach (array_combine($keys, $values) as $key => $value) {
            if (is_string($value)) {
                $found[$key] = $value;
            } elseif ($value !== null && $value !== false) {
                throw new UnexpectedValueException(
                    'mget returned a value of type ' . get_debug_type($value) . '; return text, false or null. '
                    . 'If the library unserializes values, turn that off'
                );
            }
        }
        return $found;
    }
}
