<?php

declare(strict_types=1);

namespace Shrinkmeister;

/** A source, a geometry or an option is invalid, or the token would be too long. */
final class SpecError extends ShrinkmeisterError
{
}
