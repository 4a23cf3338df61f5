<?php

declare(strict_types=1);

namespace Shrinkmeister;

/** A thumbnail as a page shows it. */
final readonly class Thumbnail
{
    /**
     * @param string   $url    its final URL, or the lazy URL of the thumbnail server
     * @param int|null $width  exact pixels; null if it is not known before the thumbnail is made
     * @param int|null $height exact pixels; null if it is not known before the thumbnail is made
     * @param bool     $lazy   whether the URL is the server's, which makes the thumbnail when a browser asks
     */
    public function __construct(
        public string $url,
        public ?int $width,
        public ?int $height,
        public bool $lazy,
    ) {
    }

    /**
     * Return the URL at an alternative resolution: `...@2x.jpg` for "2". The server's THUMBNAIL_ALTERNATIVE_RESOLUTIONS
     * has to list it.
     *
     * @throws SpecError for an invalid resolution
     */
    public function urlOf(string $resolution): string
    {
        if (!Resolution::isValid($resolution)) {
            throw new SpecError(
                'the resolution is ' . Shown::of($resolution) . '; write a factor as text: "2" or "1.5"'
            );
        }
        $point = (int) strrpos($this->url, '.');
        return substr($this->url, 0, $point) . "@{$resolution}x" . substr($this->url, $point);
    }
}
