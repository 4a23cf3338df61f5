<?php

declare(strict_types=1);

namespace Shrinkmeister;

/** What the shared cache holds is no record. A look-up counts it as none; only those who read records see it. */
final class RecordError extends ShrinkmeisterError
{
}
