"""Values that a process keeps for some seconds."""

from shrinkmeister.ttl_cache import TTLCache


def test_they_end() -> None:
    now = [1000.0]
    kept = TTLCache[str](50, 10, clock=lambda: now[0])
    assert kept.get("a") is None
    kept.set("a", "1")
    now[0] += 49
    kept.set("b", "2")
    assert (kept.get("a"), kept.get("b")) == ("1", "2")
    now[0] += 1
    assert (kept.get("a"), kept.get("b")) == (None, "2")
    kept.set("a", "3")
    assert kept.get("a") == "3"


def test_only_so_many_and_the_oldest_goes() -> None:
    kept = TTLCache[int](50, 2)
    for key in ("a", "b", "a", "c"):
        kept.set(key, 1)
    assert [key for key in "abc" if kept.get(key)] == ["a", "c"]


def test_they_can_be_dropped() -> None:
    kept = TTLCache[int](50, 2)
    kept.set("a", 1)
    kept.drop(["a", "b"])
    assert kept.get("a") is None
