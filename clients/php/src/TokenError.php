<?php

declare(strict_types=1);

namespace Shrinkmeister;

/** A token that none of our secrets has sealed, or that holds no spec. */
class TokenError extends ShrinkmeisterError
{
}
