<?php

declare(strict_types=1);

namespace Shrinkmeister;

use Closure;
use SensitiveParameter;

/**
 * A spec as an encrypted token, and back.
 *
 *     $tokens->encrypt($spec)          AWpK-8fdtE4F...     only letters, digits, - and _
 *     $tokens->decrypt('AWpK-8...')    $spec
 *
 * The bytes of a token: version (1), then AES-256-SIV of the spec's canonical form, with the version byte as associated
 * data. SIV is deterministic: the same spec gives the same token on every host.
 *
 * @internal
 */
final readonly class Tokens
{
    private const VERSION = "\x01";
    private const KEY_INFO = 'shrinkmeister token 1';
    private const KEY_LENGTH = 64;
    // Web servers reject longer URLs.
    private const MAX_LENGTH = 3800;

    /** @var list<Siv> */
    private array $ciphers;

    /**
     * @param list<string>       $secrets the first one encrypts, and any decrypts
     * @param int|null           $urlTtl  seconds after which a token expires, or null. The expiry time is rounded up to
     *                                    whole periods. So a token stays the same within a period, and lives for one
     *                                    to two of them
     * @param Closure(): (int|float) $clock returns the Unix time
     */
    public function __construct(
        #[SensitiveParameter] array $secrets,
        private ?int $urlTtl,
        private Closure $clock,
    ) {
        $this->ciphers = array_map(
            static fn (#[SensitiveParameter] string $secret): Siv => new Siv(self::key($secret), self::VERSION),
            $secrets,
        );
    }

    /** Return the encryption key of a secret, 64 bytes. */
    public static function key(#[SensitiveParameter] string $secret): string
    {
        return hash_hkdf('sha256', $secret, self::KEY_LENGTH, self::KEY_INFO);
    }

    /** @throws SpecError if the token is longer than web servers accept */
    public function encrypt(Spec $spec): string
    {
        $payload = $spec->canonical;
        if ($this->urlTtl !== null) {
            $period = (int) floor(($this->clock)() / $this->urlTtl);
            $payload = self::withExpiry($payload, ($period + 2) * $this->urlTtl);
        }
        $token = Base64Url::encode(self::VERSION . $this->ciphers[0]->encrypt($payload));
        if (strlen($token) > self::MAX_LENGTH) {
            $length = strlen($token);
            throw new SpecError("the token has $length characters, more than " . self::MAX_LENGTH);
        }
        return $token;
    }

    /** @throws TokenError, or TokenExpiredError for a genuine token */
    public function decrypt(string $token): Spec
    {
        $payload = $this->payload($token);
        try {
            $members = Spec::members($payload);
            $expires = null;
            if (count($members) === 6) {
                $expires = array_pop($members);
                if (!is_int($expires) || $expires < 1 || $expires > Options::MAX_INTEGER) {
                    throw new SpecError('the expiry time is not a point in time');
                }
            }
            $spec = Spec::ofMembers($members);
            $canonical = $expires === null ? $spec->canonical : self::withExpiry($spec->canonical, $expires);
            if ($canonical !== $payload) {
                throw new SpecError('not the canonical form of a thumbnail spec');
            }
        } catch (SpecError $error) {
            throw new TokenError('the token is genuine, but its content is not a spec', previous: $error);
        }
        if ($expires !== null && ($this->clock)() >= $expires) {
            throw new TokenExpiredError("the token expired at $expires");
        }
        return $spec;
    }

    private function payload(string $token): string
    {
        if (strlen($token) > self::MAX_LENGTH || ($data = Base64Url::decode($token)) === null) {
            throw new TokenError('the token is not canonical base64url, or its length is impossible');
        }
        if (!str_starts_with($data, self::VERSION)) {
            throw new TokenError('the token has an unknown version');
        }
        foreach ($this->ciphers as $cipher) {
            $payload = $cipher->decrypt(substr($data, 1));
            if ($payload !== null) {
                return $payload;
            }
        }
        throw new TokenError('the token was not encrypted with a known secret');
    }

    private static function withExpiry(string $canonical, int $expires): string
    {
        return substr($canonical, 0, -1) . ",$expires]";
    }
}
