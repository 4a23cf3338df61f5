<?php

declare(strict_types=1);

namespace Shrinkmeister;

use Closure;
use SensitiveParameter;

/**
 * A spec as encrypted text that only holders of the secret can read or write, and back.
 *
 *     $tokens->seal($spec)          AWpK-8fdtE4F...     letters, digits, - and _ alone
 *     $tokens->open('AWpK-8...')    $spec
 *
 * The bytes: version (1), then AES-256-SIV of the spec's canonical form, with the version byte as associated data.
 *
 * @internal
 */
final readonly class Tokens
{
    private const VERSION = "\x01";
    private const KEY_INFO = 'shrinkmeister token 1';
    private const KEY_LENGTH = 64;
    // Web servers would not take the URL.
    private const MAX_LENGTH = 3800;

    /** @var list<Siv> */
    private array $ciphers;

    /**
     * @param list<string>       $secrets seals with the first, opens with any
     * @param int|null           $urlTtl  seconds after which a token expires. The end is rounded up to whole
     *                                    periods, so that a token stays the same within one and lives for one to two
     * @param Closure(): (int|float) $clock Unix time
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

    /** 64 bytes. */
    public static function key(#[SensitiveParameter] string $secret): string
    {
        return hash_hkdf('sha256', $secret, self::KEY_LENGTH, self::KEY_INFO);
    }

    /** @throws SpecError where the token would be longer than web servers take */
    public function seal(Spec $spec): string
    {
        $payload = $spec->canonical;
        if ($this->urlTtl !== null) {
            $period = (int) floor(($this->clock)() / $this->urlTtl);
            $payload = self::withEnd($payload, ($period + 2) * $this->urlTtl);
        }
        $token = Base64Url::encode(self::VERSION . $this->ciphers[0]->seal($payload));
        if (strlen($token) > self::MAX_LENGTH) {
            $length = strlen($token);
            throw new SpecError("a token of $length characters: more than " . self::MAX_LENGTH);
        }
        return $token;
    }

    /** @throws TokenError, or TokenExpiredError for a token that was genuine */
    public function open(string $token): Spec
    {
        $payload = $this->payload($token);
        try {
            $members = Spec::members($payload);
            $end = null;
            if (count($members) === 6) {
                $end = array_pop($members);
                if (!is_int($end) || $end < 1 || $end > Options::MAX_INTEGER) {
                    throw new SpecError('the end is not a point in time');
                }
            }
            $spec = Spec::ofMembers($members);
            if (($end === null ? $spec->canonical : self::withEnd($spec->canonical, $end)) !== $payload) {
                throw new SpecError('not the canonical form');
            }
        } catch (SpecError $error) {
            throw new TokenError('the token is ours, and what it holds is not a spec', previous: $error);
        }
        if ($end !== null && ($this->clock)() >= $end) {
            throw new TokenExpiredError("the token expired at $end");
        }
        return $spec;
    }

    private function payload(string $token): string
    {
        if (strlen($token) > self::MAX_LENGTH || ($data = Base64Url::decode($token)) === null) {
            throw new TokenError('the token is not base64url of a length that can be, in its one form');
        }
        if (!str_starts_with($data, self::VERSION)) {
            throw new TokenError('the token has an unknown version');
        }
        foreach ($this->ciphers as $cipher) {
            $payload = $cipher->open(substr($data, 1));
            if ($payload !== null) {
                return $payload;
            }
        }
        throw new TokenError('the token was not sealed with a secret of ours');
    }

    private static function withEnd(string $canonical, int $end): string
    {
        return substr($canonical, 0, -1) . ",$end]";
    }
}
