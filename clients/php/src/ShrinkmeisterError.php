<?php

declare(strict_types=1);

namespace Shrinkmeister;

/** The root: catching it catches everything that this library throws on purpose. */
class ShrinkmeisterError extends \Exception
{
}
