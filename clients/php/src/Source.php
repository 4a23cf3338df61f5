<?php

declare(strict_types=1);

namespace Shrinkmeister;

/**
 * Where an original image lies.
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
    // Without user names, and in lower case: one host has one spelling in an allow-list.
    private const HOST = '/^[a-z0-9.-]+(:[0-9]+)?$/D';

    /** UTF-8 JSON in its one canonical form. */
    public string $canonical;

    /**
     * @param string $scheme    "s3" (a bucket), "storage" (a storage that the server knows), "https" or "http"
     * @param string $container the bucket's name, the storage's alias, or the host in lower case, with its port
     * @param string $name      the object's key or the file's name, as it is, not percent-encoded; or what
     *                          stands in a URL behind the first slash after the host
     *
     * @throws SpecError
     */
    public function __construct(public string $scheme, public string $container, public string $name)
    {
        $pattern = self::CONTAINERS[$scheme] ?? throw new SpecError(
            'unknown scheme ' . Shown::of($scheme) . ' of a source; one of s3, storage, https, http'
        );
        if (!preg_match($pattern, $container)) {
            throw new SpecError(Shown::of($container) . " cannot be where a source of $scheme lies");
        }
        if ($name === '' || str_contains($name, "\0")) {
            throw new SpecError("the source's name is " . Shown::of($name) . ': empty, or with a NUL in it');
        }
        if (self::isUrl($scheme) && str_contains($name, '#')) {
            throw new SpecError("the source's name is " . Shown::of($name) . ': a fragment is no part of a URL here');
        }
        $this->canonical = Canonical::encode([$scheme, $container, $name]);
    }

    /**
     * The source of its text: "s3://bucket/key", "storage://alias/name" or a URL.
     *
     * @throws SpecError
     */
    public static function parse(string $text): self
    {
        [$scheme, $rest] = explode('://', $text, 2) + [1 => null];
        if ($rest === null) {
            throw new SpecError(
                Shown::of($text) . ' is not a source; write it as "s3://bucket/key" or "storage://alias/name"'
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
