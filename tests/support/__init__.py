"""Helpers of tests: fixtures, source images, deployments. Each server has a module in tests/servers."""
