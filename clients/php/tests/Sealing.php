<?php

declare(strict_types=1);

namespace Shrinkmeister\Tests;

use Shrinkmeister\Seals;

/** What the server does with a record, and no client: for tests and the bench. */
final readonly class Sealing
{
    public static function seal(string $secret, string $under, string $record): string
    {
        $mac = hash_hmac('sha256', "$under\n$record", Seals::key($secret), true);
        $seal = strtr(rtrim(base64_encode(substr($mac, 0, 8)), '='), '+/', '-_');
        return substr($record, 0, -1) . ",\"m\":\"$seal\"}";
    }
}
