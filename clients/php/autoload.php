<?php

/** Load the classes of this package without Composer: `require '.../clients/php/autoload.php';`. */

declare(strict_types=1);

spl_autoload_register(static function (string $class): void {
    if (!str_starts_with($class, 'Shrinkmeister\\')) {
        return;
    }
    $file = __DIR__ . '/src/' . strtr(substr($class, strlen('Shrinkmeister\\')), '\\', '/') . '.php';
    if (is_file($file)) {
        require $file;
    }
});
