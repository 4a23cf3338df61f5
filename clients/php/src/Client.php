<?php

declare(strict_types=1);

namespace Shrinkmeister;

/**
 * Makes URLs of thumbnails: lazy ones at once, and final ones if the shared cache has a record.
 *
 *     $client = new Client(new Config(secretKey: $secret, serverUrl: 'https://thumbs.example.com', mget: $mget));
 *     $thumbnail = $client->thumbnail('s3://photos/2024/dawn.jpg', '300x200', ['crop' => 'center']);
 *
 * A source is "s3://bucket/key", "storage://alias/name" or a URL; a geometry is "300x200", "300" (width) or "x200"
 * (height); options are those of sorl-thumbnail, by name. An empty object inside of options is `new stdClass()`.
 */
final readonly class Client
{
    private Tokens $tokens;
    private Seals $seals;
    private ?SharedCache $cache;

    public function __construct(private Config $config)
    {
        $this->tokens = new Tokens($config->secrets(), $config->urlTtl, $config->clock);
        $this->seals = new Seals($config->secrets());
        $this->cache = $config->mget === null
            ? null
            : new SharedCache($config->mget, $config->keyPrefix, $config->onError, $config->clock);
    }

    /**
     * The lazy URL of a thumbnail, which always works; asks nobody.
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
     * A thumbnail, with its final URL if it is recorded. Asks the shared cache once; those of a page are better
     * asked for together.
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
     * Thumbnails, in one round trip to the shared cache.
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
     * @return array<K, Thumbnail> under the same keys, in the same order
     *
     * @throws SpecError for the first that cannot be described
     */
    public function thumbnails(array $requests): array
    {
        $specs = array_map(fn (array $request): Spec => $this->spec(...$request), $requests);
        if ($specs === []) {
            return [];
        }
        $keys = array_map(Keys::record(...), $specs);
        $found = $this->cache?->get([...array_keys(array_flip($keys)), Belief::DOUBT]) ?? [];
        $belief = new Belief($this->config->checkTtl, ($this->config->clock)(), $found[Belief::DOUBT] ?? null);
        $thumbnails = [];
        foreach ($specs as $name => $spec) {
            $key = $keys[$name];
            $record = $this->record($key, $found[$key] ?? null);
            $thumbnails[$name] = $record?->base === null
                || !$record->has($this->config->resolutions)
                || $belief->isDue($key, $record)
                ? $this->lazy($spec, $record)
                : new Thumbnail(Keys::object($spec, $record->base), $record->width, $record->height, false);
        }
        return $thumbnails;
    }

    /**
     * The spec that a token holds; for tools and tests.
     *
     * @throws TokenError, or TokenExpiredError for a token that was genuine
     */
    public function open(string $token): Spec
    {
        return $this->tokens->open($token);
    }

    /** @param array<string, mixed> $options */
    private function spec(string $source, string $geometry, array $options = []): Spec
    {
        return new Spec(Source::parse($source), $geometry, $options + $this->config->options);
    }

    private function record(string $key, ?string $sealed): ?ThumbnailRecord
    {
        try {
            return $sealed === null ? null : ThumbnailRecord::parse($this->seals->open($key, $sealed));
        } catch (RecordError) {
            return null;
        }
    }

    private function lazy(Spec $spec, ?ThumbnailRecord $record): Thumbnail
    {
        [$width, $height] = $record === null ? $spec->filledSides() : [$record->width, $record->height];
        return new Thumbnail($this->lazyUrl($spec), $width, $height, true);
    }

    private function lazyUrl(Spec $spec): string
    {
        return "{$this->config->serverUrl}/{$this->tokens->seal($spec)}.$spec->extension";
    }
}
