<?php

declare(strict_types=1);

namespace Shrinkmeister;

use JsonException;
use stdClass;

/**
 * A thumbnail: source + geometry + options.
 *
 *     ["s3","photos","2024/dawn.jpg","300x200",{"crop":"center"}]
 *
 * The canonical form is what a token seals and what a key is the digest of: equal thumbnails have equal ones.
 */
final readonly class Spec
{
    private const GEOMETRY = '/^(?:[1-9][0-9]{0,4}(?:x[1-9][0-9]{0,4})?|x[1-9][0-9]{0,4})$/D';
    private const EXTENSIONS = ['JPEG' => 'jpg', 'PNG' => 'png', 'GIF' => 'gif', 'WEBP' => 'webp', 'AVIF' => 'avif'];

    /** @var array<string, mixed> sorted and without defaults; objects in them are stdClass */
    public array $options;

    /** UTF-8 JSON in its one canonical form. */
    public string $canonical;

    /** The file extension of the format, without a point. */
    public string $extension;

    /**
     * @param string               $geometry pixels: "300x200", "300" (width), "x200" (height)
     * @param array<string, mixed> $options  by their names; in them a list is an array of JSON, another array or
     *                                       a stdClass an object
     *
     * @throws SpecError where one of them cannot be right
     */
    public function __construct(public Source $source, public string $geometry, array $options = [])
    {
        if (!preg_match(self::GEOMETRY, $geometry)) {
            throw new SpecError(
                'the geometry is ' . Shown::of($geometry) . '; write pixels as "300x200", "300" or "x200"'
            );
        }
        $this->options = Options::plain($options);
        $format = Options::full($this->options)['format'];
        $this->extension = (is_string($format) ? self::EXTENSIONS[$format] ?? null : null) ?? throw new SpecError(
            'the format is ' . Shown::of($format) . '; one of ' . implode(', ', array_keys(self::EXTENSIONS))
        );
        $this->canonical = substr($source->canonical, 0, -1) . ',"' . $geometry . '",'
            . Canonical::members($this->options) . ']';
    }

    /**
     * The spec of a canonical form.
     *
     * @throws SpecError also where the form is not the canonical
     */
    public static function parse(string $canonical): self
    {
        $spec = self::ofMembers(self::members($canonical));
        if ($spec->canonical !== $canonical) {
            throw new SpecError('not the canonical form of a thumbnail spec');
        }
        return $spec;
    }

    /**
     * Width and height of the geometry, each null where it is not certain: the picture is always cropped or padded
     * to those that are.
     *
     * @return array{int|null, int|null}
     */
    public function filledSides(): array
    {
        $options = Options::full($this->options);
        $cropped = Options::isTrue($options['crop']) && $options['crop'] !== 'noop';
        $filled = Options::isTrue($options['padding']) || ($cropped && Options::isTrue($options['upscale']));
        [$width, $height] = explode('x', $this->geometry . 'x');
        return $filled ? [(int) $width ?: null, (int) $height ?: null] : [null, null];
    }

    /**
     * The members of a JSON array.
     *
     * @internal
     *
     * @return list<mixed>
     *
     * @throws SpecError
     */
    public static function members(string $json): array
    {
        try {
            // Objects as stdClass: as arrays, {} would be []. An integer beyond 64 bits becomes a float, which
            // is too large for an option.
            $members = json_decode($json, false, flags: JSON_THROW_ON_ERROR);
        } catch (JsonException $error) {
            throw new SpecError('not JSON', previous: $error);
        }
        return is_array($members) ? $members : throw new SpecError('not an array');
    }

    /**
     * The spec of the five members of a form that may be the canonical.
     *
     * @internal
     *
     * @param list<mixed> $members
     *
     * @throws SpecError
     */
    public static function ofMembers(array $members): self
    {
        if (count($members) !== 5) {
            throw new SpecError('a thumbnail spec has five members');
        }
        [$scheme, $container, $name, $geometry, $options] = $members;
        foreach ([$scheme, $container, $name, $geometry] as $text) {
            if (!is_string($text)) {
                throw new SpecError('the first four members of a thumbnail spec are texts');
            }
        }
        if (!$options instanceof stdClass) {
            throw new SpecError('the options of a thumbnail spec are an object');
        }
        return new self(new Source($scheme, $container, $name), $geometry, (array) $options);
    }
}
