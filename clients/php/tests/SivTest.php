<?php

declare(strict_types=1);

namespace Shrinkmeister\Tests;

use LogicException;
use PHPUnit\Framework\TestCase;
use Shrinkmeister\Siv;

/** AES-SIV: the examples of RFC 5297, appendix A, which use AES-128, and changed texts. */
final class SivTest extends TestCase
{
    private const KEY = '7f7e7d7c7b7a79787776757473727170404142434445464748494a4b4c4d4e4f';

    public function testExampleWithOneAssociatedText(): void
    {
        $siv = new Siv(
            self::bytes('fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0 f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff'),
            self::bytes('101112131415161718191a1b1c1d1e1f2021222324252627'),
        );
        self::assertEncrypts(
            $siv,
            '112233445566778899aabbccddee',
            '85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c',
        );
    }

    public function testExampleWithSeveralAssociatedTexts(): void
    {
        $siv = new Siv(
            self::bytes(self::KEY),
            self::bytes('00112233445566778899aabbccddeeffdeaddadadeaddadaffeeddccbbaa99887766554433221100'),
            self::bytes('102030405060708090a0'),
            self::bytes('09f911029d74e35bd84156c5635688c0'),
        );
        self::assertEncrypts(
            $siv,
            '7468697320697320736f6d6520706c61696e7465787420746f20656e6372797074207573696e67205349562d414553',
            '7bdb6e3b432667eb06f4d14bff2fbd0fcb900f2fddbe404326601965c889bf17dba77ceb094fa663b7a3f748ba8af829ea64ad54'
            . '4a272e9c485b62a3fd5c0d',
        );
    }

    public function testATextOfOneBlockWithAes256(): void
    {
        // OpenSSL's own AES-256-SIV made the expected bytes.
        $siv = new Siv(implode('', array_map(chr(...), range(0, 63))), "\x01");
        self::assertEncrypts(
            $siv,
            bin2hex('sixteen bytes...'),
            '584558fddfb402606b0a72cc7f4a331dcee7e82d5cc448e7618c505e0cb57c0f',
        );
    }

    /**
     * CMAC and S2V branch at multiples of the block's length.
     *
     * @dataProvider lengths
     */
    public function testLengths(int $length): void
    {
        foreach (['', 'x', str_repeat('x', $length)] as $associated) {
            $siv = new Siv(random_bytes(64), $associated);
            $text = random_bytes(1 + $length);
            foreach ([substr($text, 1), $text] as $plaintext) {
                $encrypted = $siv->encrypt($plaintext);
                self::assertSame(16 + strlen($plaintext), strlen($encrypted));
                self::assertSame($plaintext, $siv->decrypt($encrypted));
            }
        }
    }

    /** @return list<array{int}> */
    public static function lengths(): array
    {
        return array_map(static fn (int $length): array => [$length], [0, 1, 15, 16, 17, 31, 32, 33, 64, 1000]);
    }

    public function testEachBitIsAuthenticated(): void
    {
        $siv = new Siv(self::bytes(self::KEY), 'a');
        $encrypted = $siv->encrypt('some text of more than a block');
        for ($bit = 0; $bit < 8 * strlen($encrypted); $bit++) {
            $changed = $encrypted;
            $changed[$bit >> 3] = chr(ord($changed[$bit >> 3]) ^ 1 << ($bit & 7));
            self::assertNull($siv->decrypt($changed));
        }
        self::assertNull($siv->decrypt(substr($encrypted, 0, -1)));
        self::assertNull($siv->decrypt(''));
        self::assertNull((new Siv(self::bytes(self::KEY), 'b'))->decrypt($encrypted));
    }

    public function testAKeyOfAnInvalidLength(): void
    {
        $this->expectException(LogicException::class);
        new Siv(str_repeat('k', 33));
    }

    private static function assertEncrypts(Siv $siv, string $plaintext, string $encrypted): void
    {
        self::assertSame($encrypted, bin2hex($siv->encrypt(self::bytes($plaintext))));
        self::assertSame($plaintext, bin2hex((string) $siv->decrypt(self::bytes($encrypted))));
    }

    private static function bytes(string $hexadecimal): string
    {
        return (string) hex2bin(str_replace(' ', '', $hexadecimal));
    }
}
