"""The tests that every driver passes. To test your own driver with pytest:

    class TestMyDriver(DriverContract):
        @pytest.fixture
        def driver(self):
            return MyDriver(CacheConfig("my", "unused", Secret("my-server:1234"), ""))

        @pytest.fixture
        def dead_driver(self):
            return MyDriver(CacheConfig("my", "unused", Secret("127.0.0.1:1"), ""))

`driver` needs a real server; the server of `dead_driver` does not answer. Each test uses its own keys, so
the server need not be empty.
"""

import secrets
import string
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from shrinkmeister.drivers.base import Driver
from shrinkmeister.exceptions import DriverError

DAY = 24 * 3600


class DriverContract:
    def test_values_are_any_bytes(self, driver: Driver) -> None:
        for value in (b"", b"text", bytes(range(256)), secrets.token_bytes(100_000)):
            key = new_key()
            assert driver.get(key) is None
            driver.set(key, value, DAY)
            assert driver.get(key) == value

    def test_keys_have_up_to_235_printable_characters(self, driver: Driver) -> None:
        printable = "".join(chr(code) for code in range(33, 127))
        key = (new_key() + printable * 3)[:235]
        driver.set(key, b"1", DAY)
        assert driver.get_many([key]) == {key: b"1"}
        assert driver.get(key[:-1]) is None
        driver.delete_many([key])
        assert driver.get(key) is None

    def test_set_replaces(self, driver: Driver) -> None:
        key = new_key()
        driver.set(key, b"old", DAY)
        driver.set(key, b"new", DAY)
        assert driver.get(key) == b"new"

    def test_get_many_gives_what_there_is(self, driver: Driver) -> None:
        there = {new_key(): str(number).encode() for number in range(60)}
        for key, value in there.items():
            driver.set(key, value, DAY)
        missing = [new_key() for _ in range(3)]
        assert driver.get_many(key for key in [*missing, *there]) == there
        assert driver.get_many([]) == {}

    def test_values_end(self, driver: Driver) -> None:
        key = new_key()
        driver.set(key, b"1", DAY)
        assert driver.get(key) == b"1"
        # Not read before it expires: the machine may pause for longer than that.
        driver.set(key, b"1", 1)
        wait_until(lambda: driver.get(key) is None)

    def test_long_timeouts_do_not_end_at_once(self, driver: Driver) -> None:
        for days in (29, 31, 400, 3650):
            key, added = new_key(), new_key()
            driver.set(key, b"1", days * DAY)
            assert driver.get(key) == b"1"
            assert driver.add(added, b"1", days * DAY)
            assert driver.get(added) == b"1"

    def test_add_writes_once(self, driver: Driver) -> None:
        key = new_key()
        assert driver.add(key, b"first", DAY) is True
        assert driver.add(key, b"second", DAY) is False
        assert driver.get(key) == b"first"

    def test_add_works_again_after_the_end(self, driver: Driver) -> None:
        key = new_key()
        assert driver.add(key, b"first", 1)
        wait_until(lambda: driver.add(key, b"second", DAY))
        assert driver.get(key) == b"second"

    def test_add_has_one_winner(self, driver: Driver) -> None:
        threads = 16
        for _ in range(5):
            key, start = new_key(), threading.Barrier(threads)

            def add(number: int, key: str = key, start: threading.Barrier = start) -> tuple[bool, bytes]:
                value = str(number).encode()
                start.wait()
                return driver.add(key, value, DAY), value

            with ThreadPoolExecutor(threads) as pool:
                answers = list(pool.map(add, range(threads)))
            assert [value for won, value in answers if won] == [driver.get(key)]

    def test_delete_many(self, driver: Driver) -> None:
        keys = [new_key() for _ in range(5)]
        for key in keys:
            driver.set(key, b"1", DAY)
        driver.delete_many(key for key in [*keys[:4], new_key()])
        assert driver.get_many(keys) == {keys[4]: b"1"}
        driver.delete_many([])

    def test_set_many_writes_as_set_does(self, driver: Driver) -> None:
        values = {new_key(): str(number).encode() for number in range(300)}
        first = next(iter(values))
        driver.set(first, b"old", DAY)
        driver.set_many(values, 31 * DAY)
        assert driver.get_many(values) == values
        driver.set_many({first: b"short"}, 1)
        wait_until(lambda: driver.get(first) is None)
        driver.set_many({}, DAY)

    def test_keys_are_listed_by_prefix_or_not_at_all(self, driver: Driver) -> None:
        # Characters with a meaning in patterns or protocols.
        prefix = new_key() + "*?[a-z]^\\%41:"
        there = {f"{prefix}{number}" for number in range(30)}
        for key in [*there, new_key(), prefix.replace("*", "x")]:
            driver.set(key, b"1", DAY)
        listed = driver.keys(prefix)
        assert listed is None or set(listed) == there

    def test_a_dead_cache_is_a_driver_error(self, dead_driver: Driver) -> None:
        calls: list[Callable[[], object]] = [
            lambda: dead_driver.get("key"),
            lambda: dead_driver.get_many(["key", "other"]),
            lambda: dead_driver.set("key", b"1", DAY),
            lambda: dead_driver.add("key", b"1", DAY),
            lambda: dead_driver.set_many({"key": b"1"}, DAY),
            lambda: dead_driver.delete_many(["key"]),
        ]
        listed = dead_driver.keys("key")
        if listed is not None:
            calls.append(lambda: next(listed))
        for call in calls:
            cause = None
            try:
                call()
            except DriverError as error:
                cause = error.__cause__
            assert cause is not None, "no DriverError, or one that hides its cause"


def new_key() -> str:
    alphabet = string.ascii_lowercase + string.digits
    return "contract:" + "".join(secrets.choice(alphabet) for _ in range(16))


def wait_until(condition: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"still not so after {seconds} s"
        time.sleep(0.05)
