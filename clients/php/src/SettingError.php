<?php

declare(strict_types=1);

namespace Shrinkmeister;

/** A setting of the client is missing or invalid. The message names it, its value (never a secret) and the fix. */
final class SettingError extends ShrinkmeisterError
{
}
