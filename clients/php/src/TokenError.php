<?php

declare(strict_types=1);

namespace Shrinkmeister;

/** No secret decrypts the token, or its version is unknown. */
class TokenError extends ShrinkmeisterError
{
}
