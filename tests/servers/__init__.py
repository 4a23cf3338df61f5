"""Real servers for tests: each is a process on a free loopback port, gone when its test run is."""
