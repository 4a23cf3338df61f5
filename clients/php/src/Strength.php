<?php

declare(strict_types=1);

namespace Shrinkmeister;

use SensitiveParameter;

/**
 * Secrets that can be guessed. All clients share the rules, which docs/reference/protocol.md defines and explains.
 *
 * @internal
 */
final class Strength
{
    public const MIN_LENGTH = 32;

    /** How many different characters a secret needs. */
    private const MIN_CHARACTERS = 6;

    /** How many different pairs of neighbours it needs. */
    private const MIN_PAIRS = 16;

    /** How many different steps between the code points of neighbours it needs: "abcdef" has one. */
    private const MIN_STEPS = 5;

    private const PLACEHOLDERS = [
        'changeme',
        'changethis',
        'examplesecret',
        'insecure',
        'loremipsum',
        'mysecret',
        'passphrase',
        'password',
        'placeholder',
        'qwertyuiop',
        'replaceme',
        'replacethis',
        'secrethere',
        'secretkey',
        'shrinkmeister',
        'supersecret',
        'topsecret',
        'verysecret',
        'xxxxxxxx',
        'yoursecret',
    ];

    /**
     * Return why a secret can be guessed, as words that follow "it", or null.
     *
     * @param string $secret UTF-8
     */
    public static function weakness(#[SensitiveParameter] string $secret): ?string
    {
        preg_match_all('/./su', $secret, $found);
        $part = self::repeated($found[0]);
        $length = count($part);
        if ($length < self::MIN_LENGTH) {
            return "repeats $length characters";
        }
        if (self::different($part) < self::MIN_CHARACTERS) {
            return 'has fewer than ' . self::MIN_CHARACTERS . ' different characters';
        }
        $codes = array_map(self::code(...), $part);
        $pairs = $steps = [];
        for ($i = 1; $i < $length; $i++) {
            $pairs[] = "$codes[$i] {$codes[$i - 1]}";
            $steps[] = (string) ($codes[$i] - $codes[$i - 1]);
        }
        if (self::different($pairs) < self::MIN_PAIRS) {
            return 'repeats itself';
        }
        if (self::different($steps) < self::MIN_STEPS) {
            return 'is a row of characters, such as abcdef';
        }
        // strtolower() changes only ASCII letters, as the rules demand.
        $bare = str_replace([' ', '-', '.', '_'], '', strtolower($secret));
        foreach (self::PLACEHOLDERS as $text) {
            if (str_contains($bare, $text)) {
                return 'is a placeholder, or contains a word that attackers guess first';
            }
        }
        return null;
    }

    /**
     * Return the part that a text repeats (the last repetition may be cut off), or the whole text.
     *
     * @param list<string> $characters
     *
     * @return list<string>
     */
    private static function repeated(#[SensitiveParameter] array $characters): array
    {
        $count = count($characters);
        for ($length = 1; $length <= intdiv($count, 2); $length++) {
            if (array_slice($characters, $length) === array_slice($characters, 0, $count - $length)) {
                return array_slice($characters, 0, $length);
            }
        }
        return $characters;
    }

    /** @param list<string> $values */
    private static function different(#[SensitiveParameter] array $values): int
    {
        return count(array_flip($values));
    }

    /** Return the code point of a character. mb_ord() would need an extension. */
    private static function code(#[SensitiveParameter] string $character): int
    {
        $bytes = array_map(ord(...), str_split($character));
        $length = count($bytes);
        $code = $length === 1 ? $bytes[0] : $bytes[0] & (0xFF >> ($length + 1));
        foreach (array_slice($bytes, 1) as $byte) {
            $code = ($code << 6) | ($byte & 0x3F);
        }
        return $code;
    }
}
