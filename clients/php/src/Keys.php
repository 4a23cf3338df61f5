<?php

declare(strict_types=1);

namespace Shrinkmeister;

/**
 * The keys and object names of a thumbnail: pure functions of its spec.
 *
 *     Keys::record($spec)                     t1:lbe73r7n...
 *     Keys::lock($spec)                       l1:lbe73r7n...
 *     Keys::source($source)                   s1:ykl5m4xl...
 *     Keys::object($spec, 'cache/')           cache/ykl5m4xl.../lbe73r7n....jpg
 *     Keys::object($spec, 'cache/', '2')      cache/ykl5m4xl.../lbe73r7n...@2x.jpg
 */
final readonly class Keys
{
    /** Return 160 bits of SHA-256 in lower-case base32: 32 characters of a-z and 2-7. */
    public static function digest(string $canonical): string
    {
        $digits = '';
        foreach (str_split(substr(hash('sha256', $canonical), 0, 40), 10) as $fiveBytes) {
            $digits .= str_pad(base_convert($fiveBytes, 16, 32), 8, '0', STR_PAD_LEFT);
        }
        return strtr($digits, '0123456789abcdefghijklmnopqrstuv', 'abcdefghijklmnopqrstuvwxyz234567');
    }

    /** Return the key of a thumbnail's record in the shared cache. */
    public static function record(Spec $spec): string
    {
        return 't1:' . self::digest($spec->canonical);
    }

    /** Return the key that a server sets while it makes a thumbnail. */
    public static function lock(Spec $spec): string
    {
        return 'l1:' . self::digest($spec->canonical);
    }

    /** Return the key of a source's record in the shared cache. */
    public static function source(Source $source): string
    {
        return 's1:' . self::digest($source->canonical);
    }

    /**
     * Return the name of a thumbnail's object in the bucket.
     *
     * @param string      $prefix     the server's THUMBNAIL_PREFIX
     * @param string|null $resolution "2" for @2x
     */
    public static function object(Spec $spec, string $prefix, ?string $resolution = null): string
    {
        $suffix = $resolution === null ? '' : "@{$resolution}x";
        return $prefix . self::digest($spec->source->canonical) . '/' . self::digest($spec->canonical)
            . "$suffix.$spec->extension";
    }
}
