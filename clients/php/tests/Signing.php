<?php

declare(strict_types=1);

namespace Shrinkmeister\Tests;

use Shrinkmeister\Signer;

/** Signs records as the server does, for tests and the bench. Clients never write records. */
final readonly class Signing
{
    public static function sign(string $secret, string $recordKey, string $record): string
    {
        $mac = hash_hmac('sha256', "$recordKey\n$record", Signer::key($secret), true);
        $signature = strtr(rtrim(base64_encode(substr($mac, 0, 8)), '='), '+/', '-_');
        return substr($record, 0, -1) . ",\"m\":\"$signature\"}";
    }
}
