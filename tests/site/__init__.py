"""The Django site that the tests are clients of."""
