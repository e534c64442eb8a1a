"""What keeps a library up to date while a server runs, with an imagined library and virtual time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Self

import pytest
import trio

from lightpeer.audio import _native
from lightpeer.errors import MissingLibraryError
from lightpeer.serve.access.inotify import Changes
from lightpeer.serve.importing import upkeep as upkeep_module
from lightpeer.serve.importing.remaking import Remade
from lightpeer.serve.importing.report import ImportReport
from lightpeer.serve.importing.scan import mirror_root
from lightpeer.serve.importing.upkeep import LOOK_S, MEND_S, RESCAN_S, SETTLE_S, Upkeep
from lightpeer.serve.operator.events import Imported, LibraryTrouble, Mended, ServerEvent
from lightpeer.serve.operator.settings import Operator, ServeSettings
from lightpeer.testing import simulate

SKIPPED = ImportReport(imported=2, skipped=[(Path("x.mp3"), "it is empty")])


class FakeLibrary:
    """Counts what was found damaged, and how often skipped files are to be tried again."""

    music_dir = Path("music")
    found_damaged = 0
    tracks = 7

    def __init__(self) -> None:
        self.imported = self.index = self
        self.waiting = SimpleNamespace()
        self.renditions = SimpleNamespace(load=lambda _should_stop: None)
        self.forgotten = 0

    def forget_skipped(self) -> None:
        self.forgotten += 1

    def count_tracks(self) -> int:
        return self.tracks

    def playing_time_s(self) -> float:
        return 1800.0 * self.tracks


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
        self.upkeep.announced.set()


def with_upkeep(test: Callable[[Now], Awaitable[None]], **more: object) -> None:
    async def main(net):
        await test(Now(**more))

    simulate(main)


def test_a_scan_looks_where_the_settings_say_and_tells_what_came_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = []

    def scan(library, where, control):
        given.append((library, where, control))
        control.progress(1, 2, "a name")
        return SKIPPED

    async def test(now: Now) -> None:
        monkeypatch.setattr(upkeep_module, "scan", scan)
        assert not now.upkeep.scanned.is_set()
        await now.upkeep.scan()
        ((library, where, control),) = given
        assert library is now.library
        assert (where.more, where.mirrored) == ((Path("more"),), (mirror_root("low beep"),))
        assert where.follow_links
        assert (control.processes >= 1, control.settle_s) == (True, 0)
        assert control.roots == (Path.cwd() / "music", Path.cwd() / "more")
        assert now.told == [
            LibraryTrouble("skipped x.mp3: it is empty"),
            Imported(7, 3.5, "2 files imported, 1 skipped"),
        ]
        assert now.upkeep.scanned.is_set()
        await now.upkeep.scan()
        assert given[1][2].settle_s == SETTLE_S, "files may be copied into the folder now"
        assert now.told[2:] == [Imported(7, 3.5, "2 files imported, 1 skipped")], "news alone is told"

    with_upkeep(test, more_music_dirs=(Path("more"),), mirror=("low beep",), follow_links=True)


def test_no_music_is_said_and_a_scan_without_news_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep_module, "scan", lambda *_: ImportReport())

    async def test(now: Now) -> None:
        now.library.tracks = 0
        await now.upkeep.scan()
        assert now.told == [
            Imported(0, 0, "0 files imported"),
            LibraryTrouble("0 tracks: music and more has no music that can be imported"),
        ]
        await now.upkeep.scan()
        assert len(now.told) == 2

    with_upkeep(test, more_music_dirs=(Path("more"),), import_beside=False)


def test_files_that_were_written_a_moment_ago_are_looked_for_again_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing may change any more that the kernel would report."""
    reports = [ImportReport(), ImportReport(unsettled=2), ImportReport(unsettled=1), ImportReport()]
    scanned_at = []

    def scan(*_: object) -> ImportReport:
        scanned_at.append(trio.current_time())
        return reports[len(scanned_at) - 1]

    async def test(now: Now) -> None:
        began = trio.current_time()
        monkeypatch.setattr(upkeep_module, "scan", scan)
        with trio.move_on_after(RESCAN_S / 2):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(now.upkeep._scan_on)
                await trio.sleep(1.0)
                now.upkeep.look_again()
        assert [round(at - began) for at in scanned_at] == [0, 2, 3, 4]

    with_upkeep(test)


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


@pytest.mark.parametrize("library", ["opusenc", "ebur128"])
@pytest.mark.parametrize(
    ("tracks", "mirror", "is_of_use"), [(0, (), False), (1, (), True), (0, ("low beep",), True)]
)
def test_without_what_imports_need_a_server_is_of_use_where_it_has_tracks_or_mirrors_some(
    monkeypatch: pytest.MonkeyPatch, library: str, tracks: int, mirror: tuple[str, ...], is_of_use: bool
) -> None:
    real = _native.load_library
    monkeypatch.setattr(_native, "load_library", lambda name: None if name == library else real(name))
    now = Now(mirror=mirror)
    now.library.tracks = tracks
    with nullcontext() if is_of_use else pytest.raises(MissingLibraryError, match=f"lib{library}"):
        now.upkeep.require_use()


def test_the_progress_is_drawn_and_wiped(monkeypatch: pytest.MonkeyPatch) -> None:
    progress = FakeProgress()

    def scan(_library, _where, control):
        control.progress(3, 4, "a name")
        return ImportReport()

    async def test(now: Now) -> None:
        monkeypatch.setattr(upkeep_module, "scan", scan)
        await now.upkeep.scan()
        assert (progress.drawn, progress.closed) == ([(3, 4, "a name")], 1)

    with_upkeep(test, progress=progress)


def test_stopped_it_asks_the_scan_to_end_and_counts_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def scan(_library, _where, control):
        return ImportReport(imported=1, stopped=control.should_stop())

    async def test(now: Now) -> None:
        monkeypatch.setattr(upkeep_module, "scan", scan)
        now.upkeep.stop()
        await now.upkeep.scan()
        assert now.told == []

    with_upkeep(test)


def test_damage_is_mended_within_ten_seconds_of_the_scan_and_each_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mended_at: list[float] = []

    def mend(_library, _control):
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


class FakeWatch:
    """The kernel's reports, which a test sends."""

    def __init__(self) -> None:
        self.send, self._receive = trio.open_memory_channel[Changes](9)
        self.added: list[Path] = []
        self.error: OSError | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def add(self, folder: Path) -> None:
        if self.error is not None:
            raise self.error
        self.added.append(folder)

    async def changes(self) -> Changes:
        return await self._receive.receive()


def with_scans(
    monkeypatch: pytest.MonkeyPatch, test: Callable[[Now, FakeWatch, list[float]], Awaitable[None]]
) -> None:
    """Run a server's upkeep; the test has the times of its scans."""
    watch, scans = FakeWatch(), list[float]()

    def scan(_library, _where, control):
        control.on_folder(Path("music"))
        scans.append(trio.current_time())  # the simulated thread is this one
        return ImportReport()

    monkeypatch.setattr(upkeep_module, "scan", scan)
    monkeypatch.setattr(upkeep_module, "FolderWatch", lambda **_: watch)

    async def main(now: Now) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(now.upkeep.run)
            await now.upkeep.scanned.wait()
            await trio.sleep(0.001)
            scans[:] = [0.0]
            await test(now, watch, scans)
            nursery.cancel_scope.cancel()

    with_upkeep(main)


def test_it_scans_soon_after_a_change_and_every_ten_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(now: Now, watch: FakeWatch, scans: list[float]) -> None:
        assert watch.added == [Path("music")]
        await trio.sleep(10)
        changed_s = trio.current_time()
        for name in ("a.wav", "b.wav"):
            await watch.send.send(Changes({Path("music") / name}, overflowed=False))
        await trio.sleep(5)
        assert scans[1:] == [pytest.approx(changed_s + SETTLE_S, abs=0.2)]
        await watch.send.send(Changes({Path("music") / ".hidden"}, overflowed=False))
        await trio.sleep(5)
        assert len(scans) == 2
        await watch.send.send(Changes(set(), overflowed=True))
        await trio.sleep(5)
        assert len(scans) == 3
        await trio.sleep(RESCAN_S + SETTLE_S)
        assert len(scans) == 4

    with_scans(monkeypatch, test)


def test_a_look_that_takes_long_is_followed_by_a_rest_and_an_import_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun: list[float] = []

    def scan(_library, _where, _control):
        begun.append(trio.current_time())
        return ImportReport(looked_s=10.0)

    monkeypatch.setattr(upkeep_module, "scan", scan)
    monkeypatch.setattr(upkeep_module, "FolderWatch", lambda **_: FakeWatch())

    async def test(now: Now) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(now.upkeep.run)
            for _ in range(55):
                await trio.sleep(1.0)
                now.upkeep.look_again()
            await trio.sleep(145.0)
            now.upkeep.look_again()
            await trio.sleep(5.0)
            nursery.cancel_scope.cancel()
        assert [round(s) for s in begun] == [0, 30, 60, 201], "it has rested before the last"

    with_upkeep(test)


def test_at_a_signal_it_tries_again_what_was_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(now: Now, _watch: FakeWatch, scans: list[float]) -> None:
        now.upkeep.look_again(at_all=True)
        await trio.sleep(5)
        assert (len(scans), now.library.forgotten) == (2, 1)

    with_scans(monkeypatch, test)


@pytest.mark.parametrize(
    ("error", "told"),
    [(OSError(28, "No space left on device"), 1), (FileNotFoundError(2, "No such file or directory"), 0)],
)
def test_a_folder_that_cannot_be_watched_is_told_once(
    monkeypatch: pytest.MonkeyPatch, error: OSError, told: int
) -> None:
    async def test(now: Now, watch: FakeWatch, _scans: list[float]) -> None:
        now.told.clear()
        watch.error = error
        for _ in range(2):
            now.upkeep.look_again()
            await trio.sleep(5)
        assert len(now.told) == told
        assert all("max_user_watches" in str(event) for event in now.told)

    with_scans(monkeypatch, test)


def test_without_a_watch_it_scans_every_ten_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    scanned = []
    monkeypatch.setattr(upkeep_module, "scan", lambda *_: scanned.append(1) or ImportReport())

    def refuse(**_: bool) -> None:
        raise OSError(0, "this system cannot watch files")

    monkeypatch.setattr(upkeep_module, "FolderWatch", refuse)

    async def test(now: Now) -> None:
        with trio.move_on_after(2 * RESCAN_S):
            await now.upkeep.run()
        assert len(scanned) == 2

    with_upkeep(test)


def test_a_scan_that_runs_looks_again_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = [100.0]
    monkeypatch.setattr(upkeep_module.time, "monotonic", lambda: seconds[0])
    answers: list[bool] = []

    async def test(now: Now) -> None:
        def scan(_library, _where, control):
            answers.append(control.has_changed())
            for later_s in (0.0, LOOK_S / 2, LOOK_S):
                now.upkeep.look_again()
                seconds[0] += later_s
                answers.append(control.has_changed())
            return ImportReport()

        monkeypatch.setattr(upkeep_module, "scan", scan)
        await now.upkeep.scan()
        assert answers == [False, True, False, True]

    with_upkeep(test)


def test_on_demand_what_is_searched_for_is_imported_and_the_rest_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[float] = []
    outcomes = [
        ImportReport(imported=1),
        OSError("a disk that is gone"),
        ImportReport(skipped=[(Path("x.mp3"), "it is empty")]),
    ]

    def import_wanted(_library, _control):
        asked.append(trio.current_time())
        if isinstance(outcome := outcomes[len(asked) - 1], OSError):
            raise outcome
        return outcome

    monkeypatch.setattr(upkeep_module, "import_wanted", import_wanted)
    monkeypatch.setattr(upkeep_module, "scan", lambda _library, _where, control: _waits(control))

    async def test(now: Now) -> None:
        now.library.tracks = 0
        await now.upkeep.scan()
        summary = "0 files imported, 5 to be imported once somebody searches for them"
        assert now.told == [Imported(0, 0, summary)], "it is not said that there is no music"
        now.library.tracks = 7
        async with trio.open_nursery() as nursery:
            nursery.start_soon(now.upkeep.import_wanted)
            await trio.sleep(60)
            assert asked == []
            for number in range(3):
                now.library.waiting.on_wanted()
                now.library.waiting.on_wanted()
                await trio.sleep(1)
                assert len(asked) == number + 1
            nursery.cancel_scope.cancel()
        assert now.told[1:] == [
            Imported(7, 3.5, "1 file imported"),
            LibraryTrouble("a disk that is gone"),
            LibraryTrouble("skipped x.mp3: it is empty"),
        ]

    with_upkeep(test, on_demand=True)


def _waits(control) -> ImportReport:
    assert control.on_demand
    return ImportReport(waiting=5)


def test_what_is_opened_and_lacks_something_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = [
        Remade(tracks=1),
        OSError("a disk that is gone"),
        Remade(notes=["a.wav is encoded in another way now: it is imported again"], outdated=True),
    ]
    asked: list[object] = []
    loaded: list[bool] = []

    def remake(library, _control):
        asked.append(library)
        if isinstance(outcome := outcomes[len(asked) - 1], OSError):
            raise outcome
        return outcome

    monkeypatch.setattr(upkeep_module, "remake", remake)

    async def test(now: Now) -> None:
        now.library.renditions.load = lambda should_stop: loaded.append(should_stop())
        async with trio.open_nursery() as nursery:
            nursery.start_soon(now.upkeep.remake)
            await trio.sleep(60)
            assert (loaded, asked) == ([False], []), "what is there is counted at the start"
            for number in range(3):
                assert not now.upkeep._changed.is_set()
                now.library.renditions.on_ordered()
                await trio.sleep(1)
                assert asked == [now.library] * (number + 1)
            assert now.upkeep._changed.is_set(), "what is outdated is imported by a scan"
            nursery.cancel_scope.cancel()
        assert now.told == [
            LibraryTrouble("a disk that is gone"),
            LibraryTrouble("a.wav is encoded in another way now: it is imported again"),
        ]

    with_upkeep(test)


@pytest.mark.parametrize("on_demand", [False, True])
def test_a_server_runs_what_it_needs(on_demand: bool) -> None:
    async def test(now: Now) -> None:
        tasks = dict(now.upkeep.tasks())
        upkeep = now.upkeep
        assert list(tasks.values())[:3] == [upkeep.run, upkeep.mend, upkeep.remake]
        assert list(tasks.values())[3:] == ([upkeep.import_wanted] if on_demand else [])

    with_upkeep(test, on_demand=on_demand)
