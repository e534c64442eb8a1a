"""What keeps a library up to date while a server runs, with an imagined library and virtual time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio

from lightpeer.errors import MissingLibraryError
from lightpeer.serve.importing import upkeep as upkeep_module
from lightpeer.serve.importing.scan import ImportReport, mirror_root
from lightpeer.serve.importing.upkeep import MEND_S, Upkeep
from lightpeer.serve.operator.events import LibraryTrouble, Mended, ServerEvent
from lightpeer.serve.operator.settings import Operator, ServeSettings
from lightpeer.testing import simulate

SKIPPED = ImportReport(imported=2, skipped=[(Path("x.mp3"), "it is empty")])


class FakeLibrary:
    """Counts what was found damaged."""

    found_damaged = 0

    def count_tracks(self) -> int:
        return 7


class FakeProgress:
    def __init__(self) -> None:
        self.drawn: list[tuple[int, int, str]] = []
        self.closed = 0

    def __call__(self, *done: object) -> None:
        self.drawn.append(done)

    def close(self) -> None:
        self.closed += 1


class Now:
    """An upkeep, and what it has told."""

    def __init__(self, progress: FakeProgress | None = None, **settings: object) -> None:
        self.told: list[ServerEvent] = []
        self.library = FakeLibrary()
        chosen = ServeSettings(music_dir=Path("music"), state_dir=Path("state"), **settings)
        self.upkeep = Upkeep(self.library, chosen, Operator(tell=self.told.append, progress=progress))


def with_upkeep(test: Callable[[Now], Awaitable[None]], **more: object) -> None:
    async def main(net):
        await test(Now(**more))

    simulate(main)


def test_a_scan_looks_where_the_settings_say_and_tells_what_it_skipped(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    given = []

    def scan(library, where, progress, should_stop):
        given.append((library, where))
        progress(1, 2, "a name")
        return SKIPPED

    async def test(now: Now) -> None:
        monkeypatch.setattr(upkeep_module, "scan", scan)
        assert not now.upkeep.scanned.is_set()
        await now.upkeep.scan()
        ((library, where),) = given
        assert library is now.library
        assert (where.more, where.mirrored) == ((Path("more"),), (mirror_root("low beep"),))
        assert where.follow_links
        assert now.told == [LibraryTrouble("skipped x.mp3: it is empty")]
        assert now.upkeep.scanned.is_set()
        assert "7 tracks; 2 files imported, 0 as before" in caplog.text

    with_upkeep(test, more_music_dirs=(Path("more"),), mirror=("low beep",), follow_links=True)


@pytest.mark.parametrize(
    "error", [MissingLibraryError("opusenc", "libopusenc is missing"), OSError("a disk that is gone")]
)
def test_a_scan_that_fails_is_over_too(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    progress = FakeProgress()

    def scan(*_: object) -> ImportReport:
        raise error

    async def test(now: Now) -> None:
        monkeypatch.setattr(upkeep_module, "scan", scan)
        await now.upkeep.scan()
        assert now.told == [LibraryTrouble(str(error))]
        assert now.upkeep.scanned.is_set()
        assert progress.closed == 1

    with_upkeep(test, progress=progress)


def test_the_progress_is_drawn_and_wiped(monkeypatch: pytest.MonkeyPatch) -> None:
    progress = FakeProgress()

    def scan(_library, _where, draw, _should_stop):
        draw(3, 4, "a name")
        return ImportReport()

    async def test(now: Now) -> None:
        monkeypatch.setattr(upkeep_module, "scan", scan)
        await now.upkeep.scan()
        assert (progress.drawn, progress.closed) == ([(3, 4, "a name")], 1)

    with_upkeep(test, progress=progress)


def test_stopped_it_asks_the_scan_to_end_and_counts_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")

    def scan(_library, _where, _draw, should_stop):
        return ImportReport(stopped=should_stop())

    async def test(now: Now) -> None:
        monkeypatch.setattr(upkeep_module, "scan", scan)
        now.upkeep.stop()
        await now.upkeep.scan()
        assert now.told == []
        assert "tracks;" not in caplog.text

    with_upkeep(test)


def test_damage_is_mended_within_ten_seconds_of_the_scan_and_each_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mended_at: list[float] = []

    def mend(_library, _should_stop):
        mended_at.append(trio.current_time())
        return ImportReport(imported=len(mended_at) - 1)

    async def test(now: Now) -> None:
        monkeypatch.setattr(upkeep_module, "mend", mend)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(now.upkeep.mend)
            now.library.found_damaged = 1
            await trio.sleep(100)
            assert mended_at == [], "the scan comes first"
            now.upkeep.scanned.set()
            await trio.sleep(5 * MEND_S)
            assert mended_at == [100 + MEND_S]
            assert now.told == [], "nothing could be imported again"
            now.library.found_damaged = 2
            await trio.sleep(5 * MEND_S)
            assert len(mended_at) == 2
            assert now.told == [Mended(1)]
            nursery.cancel_scope.cancel()

    with_upkeep(test)
