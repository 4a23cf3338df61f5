<?php

/**
 * Print a thumbnail as one line of JSON: `php example/thumbnail.php SOURCE GEOMETRY [name=value ...]`.
 *
 *     export THUMBNAIL_SECRET_KEY=... THUMBNAIL_SERVER_URL=https://thumbs.example.com
 *     export THUMBNAIL_CACHE_LOCATION=redis://127.0.0.1:6379/0
 *     php example/thumbnail.php s3://photos/2024/dawn.jpg 300x200 crop=center quality=80
 *
 * The settings are environment variables with the names of the Django settings. The value of an option is JSON (a
 * number, true, false, null, an array or an object), or any other text.
 */

declare(strict_types=1);

use Shrinkmeister\Client;
use Shrinkmeister\Config;
use Shrinkmeister\SettingError;
use Shrinkmeister\SpecError;

require __DIR__ . '/../autoload.php';
require __DIR__ . '/RedisLookup.php';

function variable(string $name): ?string
{
    $value = getenv("THUMBNAIL_$name");
    return $value === false || $value === '' ? null : $value;
}

/** @return list<string> */
function listed(string $name): array
{
    return preg_split('/\s*,\s*/', variable($name) ?? '', flags: PREG_SPLIT_NO_EMPTY) ?: [];
}

function seconds(string $name): ?int
{
    $value = variable($name);
    if ($value !== null && !preg_match('/^[0-9]{1,15}$/D', $value)) {
        throw new SettingError("THUMBNAIL_$name is \"$value\"; write whole seconds");
    }
    return $value === null ? null : (int) $value;
}

function config(): Config
{
    $location = variable('CACHE_LOCATION');
    // A variable that is not set has its default.
    return new Config(...array_filter([
        'secretKey' => variable('SECRET_KEY') ?? '',
        'serverUrl' => variable('SERVER_URL') ?? '',
        'secretKeyFallbacks' => listed('SECRET_KEY_FALLBACKS'),
        'mget' => $location === null ? null : (new RedisLookup($location, (float) (variable('CACHE_WAIT_SECONDS') ?? 0.08)))(...),
        'keyPrefix' => variable('CACHE_KEY_PREFIX'),
        'prefix' => variable('PREFIX'),
        'checkTtl' => seconds('CHECK_TTL'),
        'urlTtl' => seconds('URL_TTL'),
        'resolutions' => listed('ALTERNATIVE_RESOLUTIONS'),
    ], static fn (mixed $value): bool => $value !== null));
}

/**
 * @param list<string> $arguments "name=value"
 *
 * @return array<string, mixed>
 */
function options(array $arguments): array
{
    $options = [];
    foreach ($arguments as $argument) {
        [$name, $value] = explode('=', $argument, 2) + [1 => null];
        if ($value === null) {
            throw new SpecError("\"$argument\" is not an option; write name=value");
        }
        $json = json_decode($value);
        $isText = is_string($json) || json_last_error() !== JSON_ERROR_NONE;
        $options[$name] = $isText ? $value : $json;
    }
    return $options;
}

[, $source, $geometry] = $argv + [1 => null, null];
if ($source === null || $geometry === null) {
    fwrite(STDERR, "usage: php $argv[0] SOURCE GEOMETRY [name=value ...]\n");
    exit(2);
}
try {
    $thumbnail = (new Client(config()))->thumbnail($source, $geometry, options(array_slice($argv, 3)));
} catch (SettingError | SpecError $error) {
    fwrite(STDERR, $error->getMessage() . "\n");
    exit(2);
}
echo json_encode($thumbnail, JSON_UNESCAPED_SLASHES | JSON_THROW_ON_ERROR), "\n";
