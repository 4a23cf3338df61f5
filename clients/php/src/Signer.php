<?php

declare(strict_types=1);

namespace Shrinkmeister;

use SensitiveParameter;
use SensitiveParameterValue;

/**
 * Signatures of the values in the shared cache: each covers a value and its key.
 *
 *     t1:lbe7...    {"v":1,"w":300,"h":200,...,"m":"mV7dP0Qv1hE"}
 *
 * Without a signature, anyone who can write to the shared cache could make pages show any URL.
 *
 * @internal
 */
final readonly class Signer
{
    private const KEY_INFO = 'shrinkmeister record 1';
    private const KEY_LENGTH = 32;
    // The number of bytes of HMAC-SHA256 that are used.
    private const SIGNATURE_LENGTH = 8;
    // The length of `,"m":"` + 11 characters + `"}`.
    private const ENDING_LENGTH = 19;

    /** @var SensitiveParameterValue a list of texts */
    private SensitiveParameterValue $keys;

    /** @param list<string> $secrets the signature of any of them is valid */
    public function __construct(#[SensitiveParameter] array $secrets)
    {
        $this->keys = new SensitiveParameterValue(array_map(self::key(...), $secrets));
    }

    /** Return the signing key of a secret, 32 bytes. */
    public static function key(#[SensitiveParameter] string $secret): string
    {
        return hash_hkdf('sha256', $secret, self::KEY_LENGTH, self::KEY_INFO);
    }

    /**
     * Return the record without its signature.
     *
     * @param string $recordKey the record's key, without the prefix
     *
     * @throws RecordError if the signature does not fit the key
     */
    public function unsign(string $recordKey, string $signed): string
    {
        $record = substr($signed, 0, -self::ENDING_LENGTH) . '}';
        $ending = substr($signed, -self::ENDING_LENGTH);
        foreach ($this->keys->getValue() as $key) {
            $mac = hash_hmac('sha256', "$recordKey\n$record", $key, true);
            if (hash_equals(',"m":"' . Base64Url::encode(substr($mac, 0, self::SIGNATURE_LENGTH)) . '"}', $ending)) {
                return $record;
            }
        }
        throw new RecordError('the value has no valid signature');
    }
}
