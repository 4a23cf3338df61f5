<?php

declare(strict_types=1);

namespace Shrinkmeister;

/** The token is genuine, and has expired. */
final class TokenExpiredError extends TokenError
{
}
