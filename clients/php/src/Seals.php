<?php

declare(strict_types=1);

namespace Shrinkmeister;

use SensitiveParameter;
use SensitiveParameterValue;

/**
 * What shows that a record of the shared cache was written with the secret, under that key.
 *
 *     t1:lbe7...    {"v":1,"w":300,"h":200,...,"m":"mV7dP0Qv1hE"}
 *
 * Whoever else can write there could otherwise have pages show any URL.
 *
 * @internal
 */
final readonly class Seals
{
    private const KEY_INFO = 'shrinkmeister record 1';
    private const KEY_LENGTH = 32;
    // Bytes of HMAC-SHA256.
    private const LENGTH = 8;
    // Of `,"m":"` + 11 characters + `"}`.
    private const WRITTEN = 19;

    /** @var SensitiveParameterValue of a list of texts */
    private SensitiveParameterValue $keys;

    /** @param list<string> $secrets believes any */
    public function __construct(#[SensitiveParameter] array $secrets)
    {
        $this->keys = new SensitiveParameterValue(array_map(self::key(...), $secrets));
    }

    /** 32 bytes. */
    public static function key(#[SensitiveParameter] string $secret): string
    {
        return hash_hkdf('sha256', $secret, self::KEY_LENGTH, self::KEY_INFO);
    }

    /**
     * The record as it was before it was sealed.
     *
     * @param string $under its key, without the prefix
     *
     * @throws RecordError for what was not sealed with one of the secrets
     */
    public function open(string $under, string $sealed): string
    {
        $record = substr($sealed, 0, -self::WRITTEN) . '}';
        $seal = substr($sealed, -self::WRITTEN);
        foreach ($this->keys->getValue() as $key) {
            $mac = hash_hmac('sha256', "$under\n$record", $key, true);
            if (hash_equals(',"m":"' . Base64Url::encode(substr($mac, 0, self::LENGTH)) . '"}', $seal)) {
                return $record;
            }
        }
        throw new RecordError('what was not written with a secret of ours');
    }
}
