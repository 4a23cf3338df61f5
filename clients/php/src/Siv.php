<?php

declare(strict_types=1);

namespace Shrinkmeister;

use LogicException;
use SensitiveParameter;
use SensitiveParameterValue;

/**
 * AES-SIV (RFC 5297), which PHP's OpenSSL extension does not offer. It is deterministic, and needs no nonce.
 *
 *     $siv = new Siv($key, "\x01");
 *     $encrypted = $siv->encrypt('text');      16 bytes of the synthetic IV, then the ciphertext
 *     $siv->decrypt($encrypted)                'text'
 *
 * @internal
 */
final readonly class Siv
{
    private const BLOCK = 16;

    /** @var SensitiveParameterValue four texts: the keys of S2V and of CTR, and the two subkeys of CMAC */
    private SensitiveParameterValue $keys;

    /** @var SensitiveParameterValue two texts: the state of S2V after the associated data, and the same doubled */
    private SensitiveParameterValue $state;

    /** The bits of one half of the key: 128, 192 or 256. */
    private int $bits;

    /**
     * @param string $key           32, 48 or 64 bytes: the first half is the key of S2V, the second that of CTR
     * @param string ...$associated associated data: authenticated with each text, but not part of it
     */
    public function __construct(#[SensitiveParameter] string $key, string ...$associated)
    {
        if (!in_array(strlen($key), [32, 48, 64], true)) {
            throw new LogicException('the key has ' . strlen($key) . ' bytes; AES-SIV needs 32, 48 or 64');
        }
        [$macKey, $ctrKey] = str_split($key, intdiv(strlen($key), 2));
        $this->bits = 8 * strlen($macKey);
        $zeros = str_repeat("\0", self::BLOCK);
        $subkey = self::doubled($this->aes('cbc', $zeros, $macKey, $zeros));
        $this->keys = new SensitiveParameterValue([$macKey, $ctrKey, $subkey, self::doubled($subkey)]);

        $state = $this->cmac($zeros);
        foreach ($associated as $string) {
            $state = self::doubled($state) ^ $this->cmac($string);
        }
        $this->state = new SensitiveParameterValue([$state, self::doubled($state)]);
    }

    public function encrypt(#[SensitiveParameter] string $plaintext): string
    {
        $iv = $this->s2v($plaintext);
        return $iv . $this->ctr($iv, $plaintext);
    }

    /** Return the plaintext; null if it was not encrypted with this key and associated data. */
    public function decrypt(string $encrypted): ?string
    {
        if (strlen($encrypted) < self::BLOCK) {
            return null;
        }
        $iv = substr($encrypted, 0, self::BLOCK);
        $plaintext = $this->ctr($iv, substr($encrypted, self::BLOCK));
        return hash_equals($this->s2v($plaintext), $iv) ? $plaintext : null;
    }

    /** Return the synthetic IV of the associated data and the plaintext. */
    private function s2v(string $plaintext): string
    {
        [$state, $doubled] = $this->state->getValue();
        if (strlen($plaintext) < self::BLOCK) {
            return $this->cmac($doubled ^ self::padded($plaintext));
        }
        // The RFC's "xorend" changes only the end of the plaintext.
        return $this->cmac(substr($plaintext, 0, -self::BLOCK) . (substr($plaintext, -self::BLOCK) ^ $state));
    }

    /** Return the CMAC (RFC 4493): the last block of CBC, after the message's last block was changed. */
    private function cmac(string $message): string
    {
        [$macKey, , $whole, $cut] = $this->keys->getValue();
        $end = strlen($message) % self::BLOCK ?: min(strlen($message), self::BLOCK);
        $last = substr($message, strlen($message) - $end);
        $last = $end === self::BLOCK ? $last ^ $whole : self::padded($last) ^ $cut;
        $blocks = substr($message, 0, strlen($message) - $end) . $last;
        return substr($this->aes('cbc', $blocks, $macKey, str_repeat("\0", self::BLOCK)), -self::BLOCK);
    }

    private function ctr(string $iv, string $text): string
    {
        // The RFC clears bits 31 and 63, so that counters of 32 and 64 bits work too.
        $mask = "\xff\xff\xff\xff\xff\xff\xff\xff\x7f\xff\xff\xff\x7f\xff\xff\xff";
        return $this->aes('ctr', $text, $this->keys->getValue()[1], $iv & $mask);
    }

    private function aes(string $mode, string $text, #[SensitiveParameter] string $key, string $iv): string
    {
        $flags = OPENSSL_RAW_DATA | OPENSSL_ZERO_PADDING;
        $result = openssl_encrypt($text, "aes-$this->bits-$mode", $key, $flags, $iv);
        return is_string($result) ? $result : throw new LogicException('OpenSSL: ' . openssl_error_string());
    }

    private static function padded(string $cut): string
    {
        return str_pad($cut . "\x80", self::BLOCK, "\0");
    }

    /** Return the block times x in GF(2^128). */
    private static function doubled(string $block): string
    {
        [1 => $high, 2 => $low] = unpack('J2', $block);
        return pack('J2', $high << 1 | ($low < 0 ? 1 : 0), $low << 1 ^ ($high < 0 ? 0x87 : 0));
    }
}
