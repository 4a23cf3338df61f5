<?php

declare(strict_types=1);

namespace Shrinkmeister;

/**
 * The place of an original image.
 *
 *     Source::parse('s3://photos/2024/dawn.jpg')->canonical    ["s3","photos","2024/dawn.jpg"]
 */
final readonly class Source
{
    private const CONTAINERS = [
        's3' => '/^[A-Za-z0-9._-]+$/D',
        'storage' => '/^[^\/\x00]+$/D',
        'https' => self::HOST,
        'http' => self::HOST,
    ];
    // Without user names and in lower case, so that a host has one spelling in an allow-list.
    private const HOST = '/^[a-z0-9.-]+(:[0-9]+)?$/D';

    /** UTF-8 JSON in its one canonical form. */
    public string $canonical;

    /**
     * @param string $scheme    "s3" (a bucket), "storage" (a Django storage of the server), "https" or "http"
     * @param string $container the bucket's name, the storage's alias, or the host in lower case, with its port
     * @param string $name      the object's key or the file's name, neither percent-encoded nor normalised; or the
     *                          part of a URL after the host and its slash
     *
     * @throws SpecError
     */
    public function __construct(public string $scheme, public string $container, public string $name)
    {
        $pattern = self::CONTAINERS[$scheme] ?? throw new SpecError(
            'unknown source scheme ' . Shown::of($scheme) . '; one of s3, storage, https, http'
        );
        if (!preg_match($pattern, $container)) {
            throw new SpecError(Shown::of($container) . " is not a valid place of a source of $scheme");
        }
        if ($name === '' || str_contains($name, "\0")) {
            throw new SpecError(
                "the source's name is " . Shown::of($name) . '; it must be text without NUL, and not empty'
            );
        }
        if (self::isUrl($scheme) && str_contains($name, '#')) {
            throw new SpecError("the source's name is " . Shown::of($name) . '; remove the fragment');
        }
        $this->canonical = Canonical::encode([$scheme, $container, $name]);
    }

    /**
     * Return the source of "s3://bucket/key", "storage://alias/name" or a URL.
     *
     * @throws SpecError
     */
    public static function parse(string $text): self
    {
        [$scheme, $rest] = explode('://', $text, 2) + [1 => null];
        if ($rest === null) {
            throw new SpecError(
                Shown::of($text) . ' is not a source; write "s3://bucket/key", "storage://alias/name" or a URL'
            );
        }
        [$container, $name] = explode('/', $rest, 2) + [1 => ''];
        if (self::isUrl($scheme)) {
            $container = strtolower($container);
            [$name] = explode('#', $name, 2);
        }
        return new self($scheme, $container, $name);
    }

    private static function isUrl(string $scheme): bool
    {
        return $scheme === 'https' || $scheme === 'http';
    }
}
