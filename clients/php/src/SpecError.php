<?php

declare(strict_types=1);

namespace Shrinkmeister;

/** A geometry, an option or a source that no thumbnail can be described with, or whose URL would be too long. */
final class SpecError extends ShrinkmeisterError
{
}
