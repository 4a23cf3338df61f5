<?php

declare(strict_types=1);

namespace Shrinkmeister;

/** A genuine token whose time is over. */
final class TokenExpiredError extends TokenError
{
}
