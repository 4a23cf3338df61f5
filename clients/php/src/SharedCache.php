<?php

declare(strict_types=1);

namespace Shrinkmeister;

use Closure;
use Throwable;
use UnexpectedValueException;

/**
 * The shared cache. One that fails is a miss, and is then left alone for some seconds, so that the rest of a page
 * does not wait for it.
 *
 * @internal
 */
final class SharedCache
{
    /** Seconds. */
    private const BREAK = 5;

    private int|float $failed = -INF;

    /**
     * @param Closure(list<string>): mixed $mget    values of keys, in their order; false or null for none
     * @param string                       $prefix  stands before each key
     * @param Closure(Throwable): mixed    $onError is told why the cache failed
     * @param Closure(): (int|float)       $clock   Unix time
     */
    public function __construct(
        private readonly Closure $mget,
        private readonly string $prefix,
        private readonly Closure $onError,
        private readonly Closure $clock,
    ) {
    }

    /**
     * Values by their keys, of those that there are; in one round trip.
     *
     * @param list<string> $keys without the prefix
     *
     * @return array<string, string>
     */
    public function get(array $keys): array
    {
        $pause = ($this->clock)() - $this->failed;
        // Below 0 the clock has been set back.
        if ($pause >= 0 && $pause < self::BREAK) {
            return [];
        }
        try {
            $names = array_map(fn (string $key): string => $this->prefix . $key, $keys);
            return self::found($keys, ($this->mget)($names));
        } catch (Throwable $error) {
            // Whatever it is, a TypeError of an answer `false` too: no page fails with its cache.
            $this->failed = ($this->clock)();
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
            $shown = is_array($values) ? 'an array of ' . count($values) : Shown::of($values);
            throw new UnexpectedValueException(
                "mget gave $shown for " . count($keys) . ' keys; it has to give a list of their values, in their order'
            );
        }
        $found = [];
        foreach (array_combine($keys, $values) as $key => $value) {
            if (is_string($value)) {
                $found[$key] = $value;
            } elseif ($value !== null && $value !== false) {
                throw new UnexpectedValueException(
                    'mget gave a value of type ' . get_debug_type($value) . '; it has to give texts, and false or '
                    . 'null for none: switch off what turns values of the cache into something else'
                );
            }
        }
        return $found;
    }
}
