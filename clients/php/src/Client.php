<?php

declare(strict_types=1);

namespace Shrinkmeister;

/**
 * Makes URLs of thumbnails: final ones if the shared cache has a record, otherwise lazy ones.
 *
 *     $client = new Client(new Config(secretKey: $secret, serverUrl: 'https://thumbs.example.com', mget: $mget));
 *     $thumbnail = $client->thumbnail('s3://photos/2024/dawn.jpg', '300x200', ['crop' => 'center']);
 *
 * A source is "s3://bucket/key", "storage://alias/name" or a URL; a geometry is "300x200", "300" (width) or "x200"
 * (height). Options are those of sorl-thumbnail, by name. Inside of options, `new stdClass()` is an empty object.
 */
final readonly class Client
{
    private Tokens $tokens;
    private Signer $signer;
    private ?SharedCache $cache;

    public function __construct(private Config $config)
    {
        $this->tokens = new Tokens($config->secrets(), $config->urlTtl, $config->clock);
        $this->signer = new Signer($config->secrets());
        $this->cache = $config->mget === null
            ? null
            : new SharedCache($config->mget, $config->keyPrefix, $config->onError, $config->clock);
    }

    /**
     * Return the lazy URL of a thumbnail without asking the shared cache.
     *
     * @param array<string, mixed> $options
     *
     * @throws SpecError
     */
    public function url(string $source, string $geometry, array $options = []): string
    {
        return $this->lazyUrl($this->spec($source, $geometry, $options));
    }

    /**
     * Return a thumbnail with its final URL if the shared cache has a record of it, otherwise with its lazy URL. Use
     * `thumbnails` for a whole page, which then asks the cache only once.
     *
     * @param array<string, mixed> $options
     *
     * @throws SpecError
     */
    public function thumbnail(string $source, string $geometry, array $options = []): Thumbnail
    {
        return $this->thumbnails([[$source, $geometry, $options]])[0];
    }

    /**
     * Return several thumbnails, as `thumbnail` does, in one round trip to the shared cache.
     *
     *     $client->thumbnails([
     *         'large' => ['s3://photos/dawn.jpg', '1200x600', ['crop' => 'center']],
     *         'small' => ['s3://photos/dawn.jpg', '300'],
     *     ])['small']->url
     *
     * @template K of array-key
     *
     * @param array<K, array{0: string, 1: string, 2?: array<string, mixed>}> $requests the arguments of `thumbnail`
     *
     * @return array<K, Thumbnail> with the same keys, in the same order
     *
     * @throws SpecError for the first invalid request
     */
    public function thumbnails(array $requests): array
    {
        $specs = array_map(fn (array $request): Spec => $this->spec(...$request), $requests);
        if ($specs === []) {
            return [];
        }
        $keys = array_map(Keys::record(...), $specs);
        $found = $this->cache?->get([...array_keys(array_flip($keys)), Freshness::DISTRUST_BEFORE_KEY]) ?? [];
        $distrustBefore = $found[Freshness::DISTRUST_BEFORE_KEY] ?? null;
        $freshness = new Freshness($this->config->checkTtl, ($this->config->clock)(), $distrustBefore);
        $thumbnails = [];
        foreach ($specs as $name => $spec) {
            $key = $keys[$name];
            $record = $this->record($key, $found[$key] ?? null);
            $thumbnails[$name] = $record?->base === null
                || !$record->has($this->config->resolutions)
                || $freshness->isStale($key, $record)
                ? $this->lazy($spec, $record)
                : new Thumbnail(Keys::object($spec, $record->base), $record->width, $record->height, false);
        }
        return $thumbnails;
    }

    /**
     * Return the spec in a token, for tools and tests.
     *
     * @throws TokenError, or TokenExpiredError for a genuine token
     */
    public function open(string $token): Spec
    {
        return $this->tokens->decrypt($token);
    }

    /** @param array<string, mixed> $options */
    private function spec(string $source, string $geometry, array $options = []): Spec
    {
        return new Spec(Source::parse($source), $geometry, $options + $this->config->options);
    }

    private function record(string $key, ?string $signed): ?ThumbnailRecord
    {
        try {
            return $signed === null ? null : ThumbnailRecord::parse($this->signer->unsign($key, $signed));
        } catch (RecordError) {
            return null;
        }
    }

    private function lazy(Spec $spec, ?ThumbnailRecord $record): Thumbnail
    {
        [$width, $height] = $record === null ? $spec->filledSize() : [$record->width, $record->height];
        return new Thumbnail($this->lazyUrl($spec), $width, $height, true);
    }

    private function lazyUrl(Spec $spec): string
    {
        return "{$this->config->serverUrl}/{$this->tokens->encrypt($spec)}.$spec->extension";
    }
}
