<?php

declare(strict_types=1);

namespace Shrinkmeister;

/** The root of all errors that Shrinkmeister throws on purpose. */
class ShrinkmeisterError extends \Exception
{
}
