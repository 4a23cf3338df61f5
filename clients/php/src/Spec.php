<?php

declare(strict_types=1);

namespace Shrinkmeister;

use JsonException;
use stdClass;

/**
 * A thumbnail: source, geometry and options. Equal thumbnails have equal canonical forms.
 *
 *     ["s3","photos","2024/dawn.jpg","300x200",{"crop":"center"}]
 *
 * A token encrypts the canonical form, and a key is a digest of it.
 */
final readonly class Spec
{
    private const GEOMETRY = '/^(?:[1-9][0-9]{0,4}(?:x[1-9][0-9]{0,4})?|x[1-9][0-9]{0,4})$/D';
    private const EXTENSIONS = ['JPEG' => 'jpg', 'PNG' => 'png', 'GIF' => 'gif', 'WEBP' => 'webp', 'AVIF' => 'avif'];

    /** @var array<string, mixed> sorted and without defaults; objects in them are stdClass */
    public array $options;

    /** UTF-8 JSON in its one canonical form. */
    public string $canonical;

    /** The file extension of the format, without a dot. */
    public string $extension;

    /**
     * @param string               $geometry pixels: "300x200", "300" (width), "x200" (height)
     * @param array<string, mixed> $options  by name. A list inside them is a JSON array; any other array or a stdClass
     *                                       is an object
     *
     * @throws SpecError if the geometry or an option is invalid
     */
    public function __construct(public Source $source, public string $geometry, array $options = [])
    {
        if (!preg_match(self::GEOMETRY, $geometry)) {
            throw new SpecError(
                'the geometry is ' . Shown::of($geometry) . '; write pixels as text: "300x200", "300" or "x200"'
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
     * Return the spec of a canonical form.
     *
     * @throws SpecError for any other form
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
     * Return the sides that are certain, since the picture is cropped or padded to them. The other sides are null.
     *
     * @return array{int|null, int|null}
     */
    public function filledSize(): array
    {
        $options = Options::full($this->options);
        $cropped = Options::isTrue($options['crop']) && $options['crop'] !== 'noop';
        $filled = Options::isTrue($options['padding']) || ($cropped && Options::isTrue($options['upscale']));
        [$width, $height] = explode('x', $this->geometry . 'x');
        return $filled ? [(int) $width ?: null, (int) $height ?: null] : [null, null];
    }

    /**
     * Return the members of a JSON array.
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
            // Objects become stdClass, since as arrays, {} would be []. An integer beyond 64 bits becomes a float
            // that is too large for an option.
            $members = json_decode($json, false, flags: JSON_THROW_ON_ERROR);
        } catch (JsonException $error) {
            throw new SpecError('the thumbnail spec is not JSON', previous: $error);
        }
        return is_array($members) ? $members : throw new SpecError('the thumbnail spec is not an array');
    }

    /**
     * Return the spec of the five members of an array. The caller compares its canonical form.
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
            throw new SpecError('the thumbnail spec is not an array of five members');
        }
        [$scheme, $container, $name, $geometry, $options] = $members;
        foreach ([$scheme, $container, $name, $geometry] as $text) {
            if (!is_string($text)) {
                throw new SpecError('the first four members of the thumbnail spec are not all texts');
            }
        }
        if (!$options instanceof stdClass) {
            throw new SpecError('the options of the thumbnail spec are not an object');
        }
        return new self(new Source($scheme, $container, $name), $geometry, (array) $options);
    }
}
