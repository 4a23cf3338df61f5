<?php

declare(strict_types=1);

namespace Shrinkmeister;

use Closure;
use SensitiveParameter;
use SensitiveParameterValue;
use Throwable;

/**
 * What the client has to know. Most of it the thumbnail server, or a Django site beside it, has to be told alike;
 * the names of their settings stand in brackets.
 */
final readonly class Config
{
    private const SERVER_URL = '/^https?:\/\/[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:\/[A-Za-z0-9._~-]+)*\/?$/D';
    private const KEY_PREFIX = '/^[!-~]{0,200}$/D';
    private const PREFIX = '/^(?:(?!\.{0,2}\/)[^\/\\\\\x00]+\/)*(?!\.{1,2}$)[^\/\\\\\x00]*$/D';
    private const SECRET_FIX = 'give client and server the same random text, for instance of `openssl rand -base64 48`';

    /** Without slashes at its end. */
    public string $serverUrl;

    /** @var list<string> */
    public array $resolutions;

    /** @var Closure(Throwable): mixed */
    public Closure $onError;

    /** @var Closure(): (int|float) */
    public Closure $clock;

    /** @var SensitiveParameterValue of a list of texts, so that no dump and no trace shows them */
    private SensitiveParameterValue $secrets;

    /**
     * @param string                $secretKey          the secret that client and server share: random text of 32
     *                                                  characters or more [THUMBNAIL_SECRET_KEY]
     * @param string                $serverUrl          where browsers reach the thumbnail server
     *                                                  [THUMBNAIL_SERVER_URL]
     * @param array<string>         $secretKeyFallbacks former secrets, the latest first
     *                                                  [THUMBNAIL_SECRET_KEY_FALLBACKS]
     * @param Closure(list<string>): mixed|null $mget   looks up keys in the shared cache: gives the list of their
     *                                                  values, in their order, with false or null for none. Without
     *                                                  it, all thumbnails are lazy
     * @param string                $keyPrefix          stands before each key in the cache
     *                                                  [THUMBNAIL_CACHE_KEY_PREFIX]
     * @param string                $prefix             stands before each name in the bucket; for `Keys::object`
     *                                                  alone, URLs do without it [THUMBNAIL_PREFIX]
     * @param int                   $checkTtl           seconds for which a record is believed at most
     *                                                  [THUMBNAIL_CHECK_TTL]
     * @param int|null              $urlTtl             seconds for which a lazy URL works at least; null for ever
     *                                                  [THUMBNAIL_URL_TTL]
     * @param array<string>         $resolutions        those that pages ask for, "2" or "1.5"
     *                                                  [THUMBNAIL_ALTERNATIVE_RESOLUTIONS]
     * @param array<string, mixed>  $options            of all thumbnails, as `quality` [THUMBNAIL_QUALITY, ...]; those
     *                                                  of a call stand before them
     * @param Closure(Throwable): mixed|null $onError   is told when the cache fails; by default a line of the error
     *                                                  log. What it throws, the look-up throws
     * @param Closure(): (int|float)|null $clock        Unix time in seconds; for tests
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
        // One that can be guessed may be a fallback, or no site could get rid of it.
        $weakness = Strength::weakness($secretKey);
        if ($weakness !== null) {
            throw new SettingError("secretKey can be guessed: it $weakness: " . self::SECRET_FIX);
        }
        foreach ($secretKeyFallbacks as $secret) {
            self::checkSecret('secretKeyFallbacks', $secret);
        }
        $this->secrets = new SensitiveParameterValue([$secretKey, ...array_values($secretKeyFallbacks)]);
        self::check(
            preg_match(self::SERVER_URL, $serverUrl) === 1,
            'serverUrl',
            $serverUrl,
            'write where browsers reach the thumbnail server, as "https://thumbs.example.com"',
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
            'write a folder as "cache/", or "a/b/": no slash in front, no "..", "//" or backslash',
        );
        $seconds = 'write whole seconds, above 0 and up to 10^10';
        self::check(self::areSeconds($checkTtl), 'checkTtl', $checkTtl, $seconds);
        self::check($urlTtl === null || self::areSeconds($urlTtl), 'urlTtl', $urlTtl, "$seconds, or null for no end");
        foreach ($resolutions as $resolution) {
            $isFactor = Resolution::isOne($resolution) && $resolution > 0 && $resolution <= 10;
            self::check($isFactor, 'resolutions', $resolution, 'list factors up to 10 as texts: ["2", "1.5"]');
        }
        $this->resolutions = array_values($resolutions);
        try {
            new Spec(new Source('storage', 'any', 'any'), '1', $options);
        } catch (SpecError $error) {
            throw new SettingError("options: {$error->getMessage()}", previous: $error);
        }
        $this->onError = $onError ?? static function (Throwable $error): void {
            error_log('Shrinkmeister: the shared cache is not used for some seconds: ' . $error->getMessage());
        };
        $this->clock = $clock ?? static fn (): float => microtime(true);
    }

    /**
     * The secret that seals, then the former ones.
     *
     * @internal
     *
     * @return list<string>
     */
    public function secrets(): array
    {
        return $this->secrets->getValue();
    }

    /** An end that lies further away may be none that tokens can have. */
    private static function areSeconds(int $seconds): bool
    {
        return $seconds >= 1 && $seconds <= 10 ** 10;
    }

    private static function check(bool $isRight, string $setting, #[SensitiveParameter] mixed $value, string $fix): void
    {
        if (!$isRight) {
            // An address may have a password.
            $shown = is_string($value) ? preg_replace('/(?<=:\/\/).*@/s', '***@', $value) : $value;
            throw new SettingError("$setting is " . Shown::of($shown) . ": $fix");
        }
    }

    /** Without the value in its messages, which end up in logs. */
    private static function checkSecret(string $setting, #[SensitiveParameter] mixed $secret): void
    {
        $fix = self::SECRET_FIX;
        if (!is_string($secret)) {
            throw new SettingError("a secret of $setting is of type " . get_debug_type($secret) . ": $fix");
        }
        $length = preg_match_all('/./su', $secret);
        if ($length === false) {
            throw new SettingError("a secret of $setting is not UTF-8: $fix");
        }
        if ($length < Strength::MIN_LENGTH) {
            $least = Strength::MIN_LENGTH;
            throw new SettingError("a secret of $setting has $length characters; $least are the least: $fix");
        }
        if (preg_match('/^\s|\s$|\p{Cc}/Du', $secret)) {
            throw new SettingError(
                "a secret of $setting has whitespace at an end, or control characters: remove them; an environment "
                . 'variable would lose them, and client and server would differ'
            );
        }
    }
}
