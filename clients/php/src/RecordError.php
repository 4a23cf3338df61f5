<?php

declare(strict_types=1);

namespace Shrinkmeister;

/** A value of the shared cache is not a valid record. A look-up counts it as a miss. */
final class RecordError extends ShrinkmeisterError
{
}
