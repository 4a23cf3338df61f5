<?php

declare(strict_types=1);

namespace Shrinkmeister;

/**
 * Base64url (RFC 4648, section 5) without padding.
 *
 * @internal
 */
final readonly class Base64Url
{
    public static function encode(string $bytes): string
    {
        return rtrim(strtr(base64_encode($bytes), '+/', '-_'), '=');
    }

    /** Return the bytes; null for text that `encode` does not write. */
    public static function decode(string $text): ?string
    {
        $bytes = base64_decode(strtr($text, '-_', '+/'), true);
        // base64_decode() also accepts spaces, padding, and spare bits in the last character.
        return is_string($bytes) && self::encode($bytes) === $text ? $bytes : null;
    }
}
