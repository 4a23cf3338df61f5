<?php

declare(strict_types=1);

namespace Shrinkmeister;

/** What a page needs of a thumbnail. */
final readonly class Thumbnail
{
    /**
     * @param string   $url    the final one in the bucket, or a lazy one of the thumbnail server
     * @param int|null $width  pixels; null where it is not known yet, which may be so of one side alone
     * @param int|null $height the same
     * @param bool     $lazy   whether the URL is that of the server, which makes the thumbnail if need be
     */
    public function __construct(
        public string $url,
        public ?int $width,
        public ?int $height,
        public bool $lazy,
    ) {
    }

    /**
     * The URL at an alternative resolution: "2" gives `...@2x.jpg`. The server has to list it.
     *
     * @throws SpecError for what is no resolution
     */
    public function urlOf(string $resolution): string
    {
        if (!Resolution::isOne($resolution)) {
            throw new SpecError('the resolution is ' . Shown::of($resolution) . '; write "2" or "1.5"');
        }
        $point = (int) strrpos($this->url, '.');
        return substr($this->url, 0, $point) . "@{$resolution}x" . substr($this->url, $point);
    }
}
