"""The commands of the cache, on a folder that a test has filled: what is shown, and what is cleared."""

from __future__ import annotations

import io
import json
from types import SimpleNamespace

import pytest
import trio

from lightpeer.cli import kept as module
from lightpeer.config import Settings
from lightpeer.console.output import Output
from lightpeer.console.text import width
from lightpeer.core.content.manifest import TABLE_BASE
from lightpeer.errors import UsageError
from lightpeer.state.files import Losses
from lightpeer.state.kept import KeptTracks
from lightpeer.state.kept_file import MANIFEST
from tests.pair import made_track

WHOLE = made_track(65, title="Copper Rain", artist="lightpeer", album="Demo", seed=1, kbps=(6,))
PART = made_track(65, title="東京", artist="", seed=2, kbps=(6,))
BOUND_BYTES = 10_000_000


class Terminal(Output):
    """Output on a terminal of 40 columns."""

    columns = 39


@pytest.fixture
def settings(tmp_path):
    """Settings with two tracks in the cache, of which one is pinned and the other is there in part."""

    async def fill():
        async with trio.open_nursery() as nursery:
            kept = KeptTracks(tmp_path, BOUND_BYTES, nursery, Losses())
            for made, segments in ((WHOLE, 65), (PART, 10)):
                file = kept.open(made.track.track_id)
                file.put(MANIFEST, made.manifest)
                for number, table in enumerate(made.tables[0]):
                    file.put((0, TABLE_BASE + number), table)
                for number in range(segments):
                    file.put((0, number), made.segments[0][number])
                kept.save()
            kept.pin(WHOLE.track.track_id, 0)
            nursery.cancel_scope.cancel()

    trio.run(fill)
    return Settings(state_dir=tmp_path, cache_bytes=BOUND_BYTES)


def cache(settings, kind=Output, *, clear=False, pinned=False, **how):
    """Run `cache`; return what it printed."""
    stream = io.StringIO()
    arguments = SimpleNamespace(command="cache", clear=clear, pinned=pinned)
    assert module.run(arguments, settings, kind(stream=stream, **how)) == 0
    return stream.getvalue().splitlines()


def test_a_pipe_gets_all_that_is_known_of_each(settings):
    *tracks, total = cache(settings)
    assert sorted(tracks) == [
        f"Copper Rain — lightpeer (Demo)  1:05  0.1 MB  pinned  {WHOLE.track.uri}",
        f"東京  0:10 of 1:05  0.0 MB  {PART.track.uri}",
    ]
    assert total == "2 tracks, 0.1 MB of 10.0 MB, 0.1 MB pinned"


def test_a_terminal_gets_titles_and_lengths(settings):
    lines = cache(settings, Terminal)
    assert max(map(width, lines)) <= Terminal.columns
    assert sorted(line.split("  ")[0] for line in lines[:2]) == ["Copper Rain — lightpeer …", "東京"]
    assert [line.endswith("1:05") for line in lines[:2]] == [True, True]
    assert " ".join(lines[2:]) == "2 tracks, 0.1 MB of 10.0 MB, 0.1 MB pinned", "in two lines"


def test_programs_get_every_field(settings):
    events = [json.loads(line) for line in cache(settings, json=True)]
    whole = next(event for event in events if event.get("title") == "Copper Rain")
    assert (whole["event"], whole["uri"], whole["pinned"]) == ("kept", WHOLE.track.uri, True)
    part = next(event for event in events if event.get("title") == "東京")
    assert (part["kept_s"], part["duration_s"], part["pinned"]) == (10, 65.0, False)
    assert (events[-1]["event"], events[-1]["tracks"]) == ("cache", 2)


def test_while_the_cache_is_off_it_is_shown_all_the_same(settings):
    off = Settings(state_dir=settings.state_dir, cache_bytes=0)
    assert cache(off)[-1] == "2 tracks, 0.1 MB of 0.0 MB, 0.1 MB pinned"


def test_clearing_leaves_what_is_pinned_and_says_so(settings):
    assert cache(settings, clear=True) == [
        "1 track removed, 1 pinned left: --clear --pinned removes what is pinned, too"
    ]
    assert [line.split(" — ")[0] for line in cache(settings)[:-1]] == ["Copper Rain"]
    (event,) = cache(settings, clear=True, json=True)
    assert json.loads(event) == {"event": "cleared", "tracks": 0, "pinned": 1}
    assert cache(settings, clear=True, pinned=True) == ["1 track removed"]
    assert cache(settings)[-1].startswith("0 tracks, ")
    assert cache(settings, clear=True, quiet=True) == []


def test_pinned_tracks_are_not_cleared_by_a_slip(settings):
    with pytest.raises(UsageError, match="give both"):
        cache(settings, pinned=True)
    assert len(cache(settings)) == 3
