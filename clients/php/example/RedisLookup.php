<?php

declare(strict_types=1);

/**
 * Reads values from Redis with phpredis. It connects at the first look-up, so that a Redis that is down fails the
 * look-up and not the page.
 */
final class RedisLookup
{
    private ?Redis $redis = null;

    /**
     * @param string $location "redis://[[user]:password@]host[:port][/db]", or "rediss://..." with TLS
     * @param float  $timeout  the longest wait for the connection and for each answer, in seconds
     */
    public function __construct(
        #[SensitiveParameter] private readonly string $location,
        private readonly float $timeout = 0.08,
    ) {
    }

    /** @param list<string> $keys */
    public function __invoke(array $keys): mixed
    {
        $this->redis ??= $this->connected();
        return $this->redis->mget($keys);
    }

    private function connected(): Redis
    {
        $parts = parse_url($this->location);
        if (!isset($parts['host']) || !in_array($parts['scheme'] ?? '', ['redis', 'rediss'], true)) {
            throw new InvalidArgumentException('the location of the cache is invalid; write "redis://host:6379/0"');
        }
        $redis = new Redis();
        $host = ($parts['scheme'] === 'rediss' ? 'tls://' : '') . $parts['host'];
        $redis->connect($host, $parts['port'] ?? 6379, $this->timeout, null, 0, $this->timeout);
        if (isset($parts['pass'])) {
            $redis->auth(array_values(array_filter([$parts['user'] ?? '', rawurldecode($parts['pass'])], 'strlen')));
        }
        $database = (int) trim($parts['path'] ?? '', '/');
        if ($database !== 0) {
            $redis->select($database);
        }
        return $redis;
    }
}
