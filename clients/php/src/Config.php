<?php

declare(strict_types=1);

namespace Shrinkmeister;

use Closure;
use SensitiveParameter;
use SensitiveParameterValue;
use Throwable;

/**
 * The settings of a client. Brackets contain the setting of the thumbnail server or Django site that has to be equal.
 */
final readonly class Config
{
    private const SERVER_URL = '/^https?:\/\/[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:\/[A-Za-z0-9._~-]+)*\/?$/D';
    private const KEY_PREFIX = '/^[!-~]{0,200}$/D';
    private const PREFIX = '/^(?:(?!\.{0,2}\/)[^\/\\\\\x00]+\/)*(?!\.{1,2}$)[^\/\\\\\x00]*$/D';
    private const SECRET_FIX = 'give client and server the same random text, for example from: openssl rand -base64 48';

    /** Without a slash at its end. */
    public string $serverUrl;

    /** @var list<string> */
    public array $resolutions;

    /** @var Closure(Throwable): mixed */
    public Closure $onError;

    /** @var Closure(): (int|float) */
    public Closure $clock;

    /** @var SensitiveParameterValue a list of texts, which dumps and traces do not show */
    private SensitiveParameterValue $secrets;

    /**
     * @param string                $secretKey          the secret that client and server share: random text of 32
     *                                                  characters or more [THUMBNAIL_SECRET_KEY]
     * @param string                $serverUrl          the URL at which browsers reach the thumbnail server
     *                                                  [THUMBNAIL_SERVER_URL]
     * @param array<string>         $secretKeyFallbacks former secrets, the latest first
     *                                                  [THUMBNAIL_SECRET_KEY_FALLBACKS]
     * @param Closure(list<string>): mixed|null $mget   returns the list of the values of keys in the shared cache, in
     *                                                  their order, with false or null for a missing key. Without it,
     *                                                  all thumbnails are lazy
     * @param string                $keyPrefix          prepended to each key in the cache
     *                                                  [THUMBNAIL_CACHE_KEY_PREFIX]
     * @param string                $prefix             prepended to each object's name; only `Keys::object` needs it
     *                                                  [THUMBNAIL_PREFIX]
     * @param int                   $checkTtl           seconds for which pages use a record without a check
     *                                                  [THUMBNAIL_CHECK_TTL]
     * @param int|null              $urlTtl             how long a lazy URL works at least, in seconds; null for no
     *                                                  expiry [THUMBNAIL_URL_TTL]
     * @param array<string>         $resolutions        the resolutions that pages use: "2" or "1.5"
     *                                                  [THUMBNAIL_ALTERNATIVE_RESOLUTIONS]
     * @param array<string, mixed>  $options            default options of all thumbnails, such as `quality`, which a
     *                                                  call overrides [THUMBNAIL_QUALITY, ...]
     * @param Closure(Throwable): mixed|null $onError   called when the cache fails. If it throws, the look-up throws.
     *                                                  By default the client writes a line to the error log
     * @param Closure(): (int|float)|null $clock        returns the Unix time in seconds; for tests
     *
     * @throws SettingError
     */
    public function __construct(
        #[SensitiveParameter] string $secretKey,
        string $serverUrl,
        #[SensitiveParameter] array $secretKeyFallbacks = [],
        public ?Closure $mget = null,
        public string $keyPrefix = 'shrinkmeister:',
        public string $prefix = 'cache/',
        public int $checkTtl = 604800,
        public ?int $urlTtl = null,
        array $resolutions = [],
        public array $options = [],
        ?Closure $onError = null,
        ?Closure $clock = null,
    ) {
        self::checkSecret('secretKey', $secretKey);
        // A fallback may be weak. Otherwise a site could not replace a weak secret.
        $weakness = Strength::weakness($secretKey);
        if ($weakness !== null) {
            throw new SettingError("secretKey can be guessed: it $weakness; " . self::SECRET_FIX);
        }
        foreach ($secretKeyFallbacks as $secret) {
            self::checkSecret('a key in secretKeyFallbacks', $secret);
        }
        $this->secrets = new SensitiveParameterValue([$secretKey, ...array_values($secretKeyFallbacks)]);
        self::check(
            preg_match(self::SERVER_URL, $serverUrl) === 1,
            'serverUrl',
            $serverUrl,
            'write the URL of the thumbnail server, such as "https://thumbs.example.com"',
        );
        $this->serverUrl = rtrim($serverUrl, '/');
        self::check(
            preg_match(self::KEY_PREFIX, $keyPrefix) === 1,
            'keyPrefix',
            $keyPrefix,
            'use at most 200 ASCII characters without spaces',
        );
        self::check(
            preg_match(self::PREFIX, $prefix) === 1,
            'prefix',
            $prefix,
            'write a folder such as "cache/", without "..", "//", a backslash or a leading slash',
        );
        $seconds = 'write whole seconds, above 0 and up to 10^10';
        self::check(self::areSeconds($checkTtl), 'checkTtl', $checkTtl, $seconds);
        $isTtl = $urlTtl === null || self::areSeconds($urlTtl);
        self::check($isTtl, 'urlTtl', $urlTtl, "$seconds, or null for no expiry");
        foreach ($resolutions as $resolution) {
            if (!Resolution::isValid($resolution) || $resolution <= 0 || $resolution > 10) {
                throw new SettingError(
                    'resolutions contains ' . Shown::of($resolution)
                    . '; list factors above 0 and up to 10 as text: ["2", "1.5"]'
                );
            }
        }
        $this->resolutions = array_values($resolutions);
        try {
            new Spec(new Source('storage', 'any', 'any'), '1', $options);
        } catch (SpecError $error) {
            throw new SettingError("options: {$error->getMessage()}", previous: $error);
        }
        $this->onError = $onError ?? static function (Throwable $error): void {
            $seconds = SharedCache::BREAKER_SECONDS;
            error_log("Shrinkmeister: the shared cache is not used for $seconds s: {$error->getMessage()}");
        };
        $this->clock = $clock ?? static fn (): float => microtime(true);
    }

    /**
     * Return the secret that encrypts, then the former ones.
     *
     * @internal
     *
     * @return list<string>
     */
    public function secrets(): array
    {
        return $this->secrets->getValue();
    }

    /** Return whether a duration is valid. Later expiry times do not fit into a token. */
    private static function areSeconds(int $seconds): bool
    {
        return $seconds >= 1 && $seconds <= 10 ** 10;
    }

    private static function check(bool $isValid, string $setting, #[SensitiveParameter] mixed $value, string $fix): void
    {
        if (!$isValid) {
            // A URL may contain a password.
            $shown = is_string($value) ? preg_replace('/(?<=:\/\/).*@/s', '***@', $value) : $value;
            throw new SettingError("$setting is " . ($value === '' ? 'not set' : Shown::of($shown)) . "; $fix");
        }
    }

    /** Throw SettingError without the secret in its message, since messages end up in logs. */
    private static function checkSecret(string $setting, #[SensitiveParameter] mixed $secret): void
    {
        $fix = self::SECRET_FIX;
        if (!is_string($secret)) {
            throw new SettingError("$setting is not text; $fix");
        }
        $length = preg_match_all('/./su', $secret);
        if ($length === false) {
            throw new SettingError("$setting is not UTF-8; $fix");
        }
        if ($length === 0) {
            throw new SettingError("$setting is not set; $fix");
        }
        if ($length < Strength::MIN_LENGTH) {
            $minimum = Strength::MIN_LENGTH;
            throw new SettingError("$setting has $length characters, and the minimum is $minimum; $fix");
        }
        if (preg_match('/^\s|\s$|\p{Cc}/Du', $secret)) {
            throw new SettingError(
                "$setting contains control characters, or whitespace at an end; remove them, since an environment "
                . 'variable would lose them, and client and server would differ'
            );
        }
    }
}
