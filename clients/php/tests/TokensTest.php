<?php

declare(strict_types=1);

namespace Shrinkmeister\Tests;

use PHPUnit\Framework\TestCase;
use Shrinkmeister\Client;
use Shrinkmeister\Config;
use Shrinkmeister\Spec;
use Shrinkmeister\SpecError;
use Shrinkmeister\TokenError;
use Shrinkmeister\TokenExpiredError;
use Shrinkmeister\Tokens;
use stdClass;

/** Tokens, against the vectors and mutations. */
final class TokensTest extends TestCase
{
    public function testKeys(): void
    {
        foreach (Vectors::load('tokens')->keys as $vector) {
            self::assertSame($vector->key, bin2hex(Tokens::key($vector->secret)));
        }
    }

    /** @dataProvider valid */
    public function testVector(stdClass $vector): void
    {
        $tokens = self::tokens([$vector->secret]);
        self::assertSame($vector->token, $tokens->encrypt(Spec::parse($vector->canonical)));
        self::assertSame($vector->canonical, $tokens->decrypt($vector->token)->canonical);
    }

    /** @return array<string, array{stdClass}> */
    public static function valid(): array
    {
        return Vectors::described(Vectors::load('tokens')->valid);
    }

    /** @dataProvider invalid */
    public function testInvalidVector(stdClass $vector): void
    {
        try {
            self::tokens()->decrypt($vector->token);
            self::fail('the token was decrypted');
        } catch (TokenError $error) {
            self::assertNotInstanceOf(TokenExpiredError::class, $error);
        }
    }

    /** @return array<string, array{stdClass}> */
    public static function invalid(): array
    {
        return Vectors::described(Vectors::load('tokens')->invalid);
    }

    /** @dataProvider tooLong */
    public function testTooLong(stdClass $vector): void
    {
        $spec = Spec::parse($vector->canonical);
        $this->expectException(SpecError::class);
        self::tokens()->encrypt($spec);
    }

    /** @return array<string, array{stdClass}> */
    public static function tooLong(): array
    {
        return Vectors::described(Vectors::load('tokens')->too_long);
    }

    /** @dataProvider fallbacks */
    public function testFallback(stdClass $vector): void
    {
        self::assertSame($vector->canonical, self::tokens($vector->secrets)->decrypt($vector->token)->canonical);
    }

    /** @return array<string, array{stdClass}> */
    public static function fallbacks(): array
    {
        return Vectors::described(Vectors::load('tokens')->fallbacks);
    }

    /** @dataProvider expiring */
    public function testExpiring(stdClass $vector): void
    {
        $token = self::tokens(null, $vector->now, $vector->url_ttl)->encrypt(Spec::parse($vector->canonical));
        self::assertSame($vector->token, $token);
        self::assertSame($vector->canonical, self::tokens(null, $vector->expires - 1)->decrypt($token)->canonical);
        $this->expectException(TokenExpiredError::class);
        self::tokens(null, $vector->expires)->decrypt($token);
    }

    /** @return array<string, array{stdClass}> */
    public static function expiring(): array
    {
        return Vectors::described(Vectors::load('tokens')->expiring);
    }

    /** @dataProvider expired */
    public function testExpired(stdClass $vector): void
    {
        $this->expectException(TokenExpiredError::class);
        self::tokens(null, $vector->now)->decrypt($vector->token);
    }

    /** @return array<string, array{stdClass}> */
    public static function expired(): array
    {
        return Vectors::described(Vectors::load('tokens')->expired);
    }

    public function testAFallbackDecryptsTheFormerClientsTokens(): void
    {
        [$former, $latter] = array_column(Vectors::load('tokens')->keys, 'secret');
        $former = new Client(new Config($former, 'https://thumbs.example.com'));
        $latter = new Client(new Config($latter, 'https://thumbs.example.com', [self::secret()]));
        $token = static fn (string $url): string => basename($url, '.jpg');
        self::assertSame('300', $latter->open($token($former->url('s3://photos/a.jpg', '300')))->geometry);
        $this->expectException(TokenError::class);
        $former->open($token($latter->url('s3://photos/a.jpg', '300')));
    }

    public function testChangedTokensAreNotDecrypted(): void
    {
        mt_srand(1);
        $token = Vectors::load('tokens')->valid[0]->token;
        $alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~=+/% ' . "\0\n\xe4";
        $decrypted = 0;
        for ($round = 0; $round < 2000; $round++) {
            $mutated = $token;
            for ($changes = mt_rand(1, 3); $changes > 0; $changes--) {
                $character = mt_rand(0, 2) ? $alphabet[mt_rand(0, strlen($alphabet) - 1)] : '';
                $mutated = substr_replace($mutated, $character, mt_rand(0, strlen($mutated)), mt_rand(0, 1));
            }
            try {
                $mutated === $token || self::tokens()->decrypt($mutated) && $decrypted++;
            } catch (TokenError) {
            }
        }
        self::assertSame(0, $decrypted);
    }

    private static function secret(): string
    {
        return Vectors::load('tokens')->secret;
    }

    /** @param list<string>|null $secrets */
    private static function tokens(?array $secrets = null, int $now = 0, ?int $urlTtl = null): Tokens
    {
        return new Tokens($secrets ?? [self::secret()], $urlTtl, static fn (): int => $now);
    }
}
