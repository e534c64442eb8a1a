"""The first source of a track, and the finder of further ones."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from lightpeer.client.client import Start
from lightpeer.client.find_sources import first_source, source_finder
from lightpeer.errors import NothingFoundError
from tests.rpc.service import run


def test_the_first_is_taken_and_the_search_is_closed():
    closed = []

    async def found():
        try:
            yield "first", "opened"
            yield "second", "opened"
        finally:
            closed.append(True)

    async def main():
        assert await first_source(found()) == ("first", "opened")
        assert closed == [True]

    run(main)


def test_where_there_is_none_the_finder_says_why():
    async def found():
        raise NothingFoundError("no reachable peer holds it")
        yield

    async def main():
        with pytest.raises(NothingFoundError, match="no reachable peer"):
            await first_source(found())

    run(main)


def test_further_sources_need_neither_manifest_nor_inline_segments():
    asked = []
    client = SimpleNamespace(open_track=lambda *given, **more: asked.append((given, more)))
    track = SimpleNamespace(track_id=b"id")
    source_finder(client, track)([b"us"])
    assert asked == [((b"id", Start(inline_bytes=0)), {"exclude": [b"us"], "track": track})]
