"""Which tracks keep their upper renditions: by a literal clock."""

from __future__ import annotations

import pytest

from lightpeer.core.content.rendition_cache import FRESH_NS, NOTE_NS, RenditionCache

NOW = 10**18
OLD = NOW - FRESH_NS
A, B, C = b"a", b"b", b"c"


def cache(most_bytes: int | None, *tracks: tuple[bytes, int, int]) -> RenditionCache:
    made = RenditionCache(most_bytes)
    for track in tracks:
        made.put(*track)
    return made


def test_without_a_bound_nothing_is_counted_and_nothing_dropped() -> None:
    made = cache(None, (A, 10**12, OLD))
    assert (len(made), made.size_bytes, A in made) == (0, 0, False)
    assert made.has_room(10**15, NOW)
    assert made.to_drop(NOW, 10**15) == []
    assert not made.use(A, NOW)


@pytest.mark.parametrize(
    ("most", "more", "dropped"),
    [(60, 0, b""), (59, 0, b"b"), (60, 20, b"b"), (60, 21, b"bc"), (0, 0, b"bca"), (60, 61, b"bca")],
)
def test_what_was_used_longest_ago_makes_room(most, more, dropped) -> None:
    made = cache(most, (A, 10, OLD), (B, 20, OLD - 2), (C, 30, OLD - 1))
    assert b"".join(made.to_drop(NOW, more)) == dropped
    assert made.has_room(more, NOW) == (more <= most)
    assert made.size_bytes == 60, "it is the caller who drops"


@pytest.mark.parametrize("used_ns", [NOW, NOW - FRESH_NS + 1, NOW + FRESH_NS - 1])
def test_what_was_used_a_moment_ago_stays_even_if_there_is_too_much(used_ns) -> None:
    made = cache(30, (A, 20, used_ns), (B, 20, OLD))
    assert made.to_drop(NOW) == [B]
    assert made.to_drop(NOW, 20) == [B]
    assert not made.has_room(20, NOW), "so nobody can have the same made over and over"
    assert made.has_room(10, NOW)
    made.remove(B)
    assert made.to_drop(NOW, 20) == []


def test_a_clock_that_was_set_back_far_keeps_nothing_for_ever() -> None:
    made = cache(10, (A, 20, NOW + FRESH_NS))
    assert made.to_drop(NOW) == [A]


def test_use_is_noted_on_the_disk_now_and_then() -> None:
    made = cache(30, (A, 20, OLD), (B, 10, OLD))
    assert made.use(A, NOW)
    assert not made.use(A, NOW + 1)
    assert not made.use(A, NOW + NOTE_NS - 1)
    assert made.use(A, NOW + NOTE_NS)
    assert made.use(A, NOW - NOTE_NS), "the clock was set back"
    assert made.to_drop(NOW, 10) == [B]
    assert not made.use(C, NOW)


def test_a_track_is_counted_once_and_not_if_it_has_none() -> None:
    made = cache(100, (A, 20, OLD), (A, 30, NOW), (B, 0, NOW))
    assert (made.size_bytes, len(made)) == (30, 1)
    made.put(A, 0, NOW)
    assert len(made) == 0
    made.remove(A)
