<?php

declare(strict_types=1);

namespace Shrinkmeister\Tests;

use PHPUnit\Framework\TestCase;
use Shrinkmeister\Client;
use Shrinkmeister\Config;
use Shrinkmeister\SettingError;

final class ConfigTest extends TestCase
{
    private const UMLAUTS = 'Zwölf Boxkämpfer jagen Viktor üb';
    private const SECRET = 'the secret of the tests, which is long enough';

    /**
     * @dataProvider invalid
     *
     * @param array<string, mixed> $setting
     */
    public function testAnInvalidSettingIsNamed(array $setting, string $part): void
    {
        $this->expectException(SettingError::class);
        $this->expectExceptionMessage($part);
        self::config($setting);
    }

    /** @return array<string, array{array<string, mixed>, string}> */
    public static function invalid(): array
    {
        return [
            'no URL' => [['serverUrl' => ''], 'serverUrl'],
            'a path' => [['serverUrl' => '/thumbs'], 'serverUrl is "/thumbs"'],
            'a URL with a query' => [['serverUrl' => 'https://a.example.com/?a'], 'serverUrl'],
            'a newline after a URL' => [['serverUrl' => "https://a.example.com\n"], 'serverUrl'],
            'a URL beyond ASCII' => [['serverUrl' => 'https://ä.example.com'], 'https://ä.example.com'],
            'a space in the prefix of keys' => [['keyPrefix' => 'a b'], 'keyPrefix is "a b"'],
            'a long prefix of keys' => [['keyPrefix' => str_repeat('a', 201)], 'keyPrefix'],
            'a slash before the prefix' => [['prefix' => '/cache/'], 'prefix is "/cache/"'],
            'a folder above' => [['prefix' => 'a/../b/'], 'prefix'],
            'a check TTL of 0' => [['checkTtl' => 0], 'checkTtl is 0'],
            'a check TTL of ages' => [['checkTtl' => PHP_INT_MAX], '10^10'],
            'a URL TTL of ages' => [['urlTtl' => PHP_INT_MAX], '10^10'],
            'a resolution of 0' => [['resolutions' => ['0']], '"0"'],
            'a large resolution' => [['resolutions' => ['2', '10.5']], '"10.5"'],
            'a negative URL TTL' => [['urlTtl' => -1], 'urlTtl is -1'],
            'a resolution that is a number' => [['resolutions' => [2]], ' 2;'],
            'a resolution with its x' => [['resolutions' => ['2', '2x']], '"2x"'],
            'an option' => [['options' => ['quality' => NAN]], 'quality'],
            'a format' => [['options' => ['format' => 'TIFF']], '"TIFF"'],
            'no secret' => [['secretKey' => ''], 'secretKey'],
            'letters that are two bytes' => [['secretKey' => str_repeat('ä', 31)], '31 characters'],
            'a short former secret' => [['secretKeyFallbacks' => [self::SECRET, 'short']], 'secretKeyFallbacks has 5'],
            'a former secret that is not text' => [['secretKeyFallbacks' => [null]], 'secretKeyFallbacks'],
            'a secret that is not UTF-8' => [['secretKey' => str_repeat("\xff", 40)], 'not UTF-8'],
            'a space after a secret' => [['secretKey' => self::SECRET . ' '], 'whitespace'],
            'a space of Unicode before a secret' => [['secretKey' => "\u{2003}" . self::SECRET], 'whitespace'],
            'a newline after a secret' => [['secretKey' => self::SECRET . "\n"], 'whitespace'],
            'a control character in a secret' => [['secretKey' => self::SECRET . "\u{85}" . self::SECRET], 'control'],
        ];
    }

    /** @dataProvider secrets */
    public function testInvalidSecret(string $secret): void
    {
        foreach ([['secretKey' => $secret], ['secretKeyFallbacks' => [$secret]]] as $setting) {
            try {
                self::config($setting);
                self::fail('it is taken');
            } catch (SettingError $error) {
                self::assertTrue($secret === '' || !str_contains($error->getMessage(), $secret));
            }
        }
    }

    /** @return list<array{string}> */
    public static function secrets(): array
    {
        return array_map(static fn (string $secret): array => [$secret], Vectors::load('tokens')->invalid_secrets);
    }

    /** @dataProvider weakSecrets */
    public function testWeakSecret(string $secret): void
    {
        self::assertSame([self::SECRET, $secret], self::config(['secretKeyFallbacks' => [$secret]])->secrets());
        try {
            self::config(['secretKey' => $secret]);
            self::fail('it is taken');
        } catch (SettingError $error) {
            self::assertStringNotContainsString($secret, $error->getMessage());
        }
    }

    /** @return list<array{string}> */
    public static function weakSecrets(): array
    {
        return array_map(static fn (string $secret): array => [$secret], Vectors::load('tokens')->weak_secrets);
    }

    /** @dataProvider strongSecrets */
    public function testStrongSecret(string $secret): void
    {
        self::assertSame([$secret], self::config(['secretKey' => $secret])->secrets());
    }

    /** @return list<array{string}> */
    public static function strongSecrets(): array
    {
        return array_map(static fn (string $secret): array => [$secret], Vectors::load('tokens')->strong_secrets);
    }

    public function testValidSettings(): void
    {
        $config = self::config([
            'secretKey' => self::UMLAUTS,
            'serverUrl' => 'http://127.0.0.1:8001/thumbs/',
            'keyPrefix' => '',
            'prefix' => '',
            'resolutions' => ['retina' => '2'],
            'secretKeyFallbacks' => ['former' => self::SECRET],
        ]);
        self::assertSame('http://127.0.0.1:8001/thumbs', $config->serverUrl);
        self::assertSame(['2'], $config->resolutions);
        self::assertSame([self::UMLAUTS, self::SECRET], $config->secrets());
    }

    public function testNoErrorShowsASecret(): void
    {
        $secret = 'a secret that nobody may read ' . "\n";
        $settings = ['secretKey' => $secret, 'secretKeyFallbacks' => [$secret]];
        foreach ([...array_chunk($settings, 1, true), ['secretKeyFallbacks' => [[$secret]]]] as $setting) {
            try {
                self::config($setting);
                self::fail();
            } catch (SettingError $error) {
                self::assertStringNotContainsString('nobody may read', (string) $error);
                $shown = array_filter($error->getTrace(), static fn (array $call): bool =>
                    str_starts_with($call['class'] ?? '', 'Shrinkmeister\Config')
                    && str_contains(print_r($call['args'] ?? [], true), 'nobody may read'));
                self::assertSame([], $shown);
            }
        }
    }

    public function testNoDumpShowsASecret(): void
    {
        $client = new Client(self::config(['secretKeyFallbacks' => ['former ' . self::SECRET]]));
        $dump = print_r($client, true) . var_export($client, true);
        self::assertStringContainsString('thumbs.example.com', $dump);
        self::assertStringNotContainsString(self::SECRET, $dump);
    }

    /** @param array<string, mixed> $settings */
    private static function config(array $settings): Config
    {
        return new Config(...$settings + ['secretKey' => self::SECRET, 'serverUrl' => 'https://thumbs.example.com']);
    }
}
