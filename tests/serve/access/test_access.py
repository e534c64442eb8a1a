"""Lists with real files, which the kernel watches, in real time."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest
import trio

from lightpeer.core.content.uri import format_uri
from lightpeer.core.guard.rules import Refusal
from lightpeer.core.rpc.status import StatusCode
from lightpeer.core.trust.identity import PeerId, format_peer_id
from lightpeer.errors import ConfigError, RpcError, StateError, UsageError
from lightpeer.serve.access import access as access_module
from lightpeer.serve.access.access import Access, Lists, drop_withdrawn, keep_to
from lightpeer.serve.access.lists import withdraw
from lightpeer.serve.operator.events import LibraryTrouble, ServerEvent, Withdrawn

OWN, ANNA, BEN = (PeerId(bytes([n]) * 20) for n in (1, 2, 3))
RAIN, SNOW = b"r" * 32, b"s" * 32
HERE = "192.0.2.7"
LIMIT_S = 20.0


class Desk:
    """An `Access`, the lists that keep it true, and what a person is told."""

    def __init__(self, folder, **more) -> None:
        self.access = Access(OWN)
        self.told: list[str] = []
        self.said = trio.Event()
        self.lists = Lists(self.access, folder, warn=self._warn, **more)
        self.changed = trio.Event()

    def _warn(self, text: str) -> None:
        self.told.append(text)
        self.said.set()

    def _note(self) -> None:
        self.changed.set()

    @asynccontextmanager
    async def watching(self, hangups=None):
        with trio.fail_after(LIMIT_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self.lists.watch, hangups, self._note)
                yield
                nursery.cancel_scope.cancel()

    async def change(self) -> None:
        await self.changed.wait()
        self.changed = trio.Event()

    def refusals(self) -> list:
        return [self.access.rules.refusal(peer_id, HERE) for peer_id in (ANNA, BEN)]


@pytest.fixture
def friends(tmp_path):
    """A list that has Anna."""
    (tmp_path / "lists").mkdir()
    file = tmp_path / "lists" / "friends"
    file.write_text(format_peer_id(ANNA))
    return file


def test_without_lists_everybody_is_let_in(tmp_path) -> None:
    desk = Desk(tmp_path)
    desk.access.require(BEN, HERE)
    assert not desk.lists.has_files
    assert desk.lists.summary() == "everybody may listen, 0 entries deny, 0 tracks are withdrawn"


@pytest.mark.parametrize(("more", "word"), [("allow", "private"), ("deny", "denied")])
def test_who_is_not_let_in_is_told_by_a_word(tmp_path, more, word) -> None:
    desk = Desk(tmp_path, **{more: [format_peer_id(BEN if more == "deny" else ANNA)]})
    desk.access.require(ANNA, HERE)
    with pytest.raises(RpcError) as caught:
        desk.access.require(BEN, HERE)
    assert caught.value.code() is StatusCode.PERMISSION_DENIED
    assert caught.value.details().startswith(f"{word}: ")


def test_a_list_that_cannot_be_read_keeps_a_server_from_starting(tmp_path, friends) -> None:
    friends.write_text("nonsense")
    with pytest.raises(ConfigError, match="friends, line 1"):
        Desk(tmp_path, allow=[str(friends)])
    (tmp_path / "withdrawn").write_text("nonsense")
    with pytest.raises(ConfigError, match="withdrawn, line 1"):
        Desk(tmp_path)


def test_an_empty_list_lets_nobody_in_and_is_told_once(tmp_path, friends) -> None:
    friends.write_text("# nobody\n")
    desk = Desk(tmp_path, allow=[str(friends)])
    assert desk.refusals() == [Refusal.PRIVATE] * 2
    assert desk.told == [f"{friends} names nobody: nobody may listen until it does"]

    async def main() -> None:
        async with desk.watching():
            withdraw(tmp_path, [RAIN])
            await desk.change()

    trio.run(main)
    assert len(desk.told) == 1
    assert desk.refusals() == [Refusal.PRIVATE] * 2


def written(file, text) -> None:
    file.write_text(text)


def replaced(file, text) -> None:
    (file.parent / "new").write_text(text)
    (file.parent / "new").rename(file)


def moved_away_first(file, text) -> None:
    file.rename(file.parent / "friends~")
    file.write_text(text)


@pytest.mark.parametrize("change", [written, replaced, moved_away_first])
@pytest.mark.parametrize("is_linked", [False, True])
def test_a_change_of_a_file_is_in_force_without_a_signal(tmp_path, friends, change, is_linked) -> None:
    named = friends
    if is_linked:
        named = tmp_path / "link"
        named.symlink_to(friends)
    desk = Desk(tmp_path, allow=[str(named)])

    async def main() -> None:
        async with desk.watching():
            for who, refusals in [(BEN, [Refusal.PRIVATE, None]), (ANNA, [None, Refusal.PRIVATE])] * 2:
                change(friends, format_peer_id(who))
                await desk.change()
                assert desk.refusals() == refusals

    assert desk.refusals() == [None, Refusal.PRIVATE]
    trio.run(main)
    assert desk.told == []


def test_a_change_before_it_is_watched_is_not_missed(tmp_path, friends) -> None:
    desk = Desk(tmp_path, allow=[str(friends)])
    replaced(friends, format_peer_id(BEN))

    async def main() -> None:
        async with desk.watching():
            await desk.change()

    trio.run(main)
    assert desk.refusals() == [Refusal.PRIVATE, None]


def test_what_becomes_unreadable_changes_nothing_and_is_told(tmp_path, friends) -> None:
    desk = Desk(tmp_path, allow=[str(friends)])

    async def main() -> None:
        async with desk.watching():
            for spoil, reason in [
                (lambda: friends.write_text("nonsense"), "line 1: 'nonsense' is not a peer id (L…)"),
                (friends.unlink, "does not exist"),
            ]:
                desk.said = trio.Event()
                spoil()
                await desk.said.wait()
                assert reason in desk.told[-1]
                assert desk.told[-1].endswith(": what it said before stays in force")
                assert desk.refusals() == [None, Refusal.PRIVATE]
            friends.write_text(format_peer_id(BEN))
            await desk.change()

    trio.run(main)
    assert desk.refusals() == [Refusal.PRIVATE, None]
    assert len(desk.told) == 2


def test_where_nothing_can_be_told_what_was_read_is_in_force_all_the_same(tmp_path, friends) -> None:
    bad = friends.with_name("more")
    bad.write_text("")
    desk = Desk(tmp_path, allow=[str(friends), str(bad)])

    def fail(_sentence: str) -> None:
        raise OSError("nobody reads that any more")

    async def main() -> None:
        with pytest.RaisesGroup(OSError, flatten_subgroups=True):
            async with desk.watching():
                desk.lists._warn = fail
                friends.write_text(format_peer_id(BEN))
                bad.write_text("nonsense")
                await trio.sleep_forever()

    trio.run(main)
    assert desk.refusals() == [Refusal.PRIVATE, None]


def test_a_watch_that_is_begun_anew_reads_all_lists_again(tmp_path, friends) -> None:
    """What was being read when it failed may be lost."""
    desk = Desk(tmp_path, allow=[str(friends)])

    async def main() -> None:
        async with desk.watching():
            friends.write_text(format_peer_id(BEN))
            await desk.change()
        desk.lists._allow[0].entries = type(desk.lists._allow[0].entries)()
        async with desk.watching():
            await desk.change()

    trio.run(main)
    assert desk.refusals() == [Refusal.PRIVATE, None]


@pytest.mark.parametrize("text", [",".join(["L" + "x" * 40] * 8), "~nobody-of-that-name/list"])
def test_what_can_be_no_file_is_wrong_input(tmp_path, text) -> None:
    with pytest.raises(UsageError, match="is neither a file nor"):
        Desk(tmp_path, deny=[text])


def test_a_track_that_is_withdrawn_is_denied_at_once(tmp_path) -> None:
    desk = Desk(tmp_path)

    async def main() -> None:
        async with desk.watching():
            withdraw(tmp_path, [RAIN])
            await desk.change()

    trio.run(main)
    assert not desk.access.rules.serves(RAIN)
    assert list(desk.lists.withdrawn) == [RAIN]
    assert "1 tracks are withdrawn" in desk.lists.summary()
    (tmp_path / "withdrawn").write_text(format_uri(RAIN) + "\n")
    assert not Desk(tmp_path).access.rules.serves(RAIN)


def test_where_the_system_watches_no_files_a_signal_has_them_read(tmp_path, friends, monkeypatch) -> None:
    def none():
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(access_module, "FolderWatch", none)
    desk = Desk(tmp_path, allow=[str(friends)])

    async def main() -> None:
        signals, hangups = trio.open_memory_channel[None](1)
        async with desk.watching(hangups):
            await desk.said.wait()
            friends.write_text(format_peer_id(BEN))
            signals.send_nowait(None)
            await desk.change()

    trio.run(main)
    assert desk.told == ["Too many open files: after a change of a list send SIGHUP"]
    assert desk.refusals() == [Refusal.PRIVATE, None]


def test_a_server_keeps_to_its_lists_in_what_runs_and_in_what_it_keeps(tmp_path) -> None:
    steps: list[str] = []

    class Streams:
        def drop_refused(self) -> None:
            steps.append("streams")

    class Tracks:
        def withdraw(self, withdrawn) -> list[bytes]:
            steps.append("library")
            return [list(withdrawn)[-1]]

    async def main() -> None:
        told = Told()
        lists = Lists(Access(OWN), tmp_path)
        with trio.fail_after(LIMIT_S):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(keep_to, lists, Tracks(), Streams(), told)
                withdraw(tmp_path, [RAIN])
                await told.of(Withdrawn(format_uri(RAIN)))
                assert steps == ["streams", "library"]
                withdraw(tmp_path, [SNOW])
                await told.of(Withdrawn(format_uri(SNOW)))
                nursery.cancel_scope.cancel()

    trio.run(main)
    assert steps == ["streams", "library"] * 2


def test_a_disk_that_refuses_is_told_and_ends_nothing(tmp_path) -> None:
    class Tracks:
        def withdraw(self, withdrawn) -> list[bytes]:
            raise StateError("x", "the disk is full")

    withdraw(tmp_path, [RAIN])
    lists = Lists(Access(OWN), tmp_path)
    told = Told()
    trio.run(drop_withdrawn, lists, Tracks(), told)
    assert told == [LibraryTrouble("the disk is full")]


class Told(list[ServerEvent]):
    """What a server tells, for a test that waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self._grown = trio.Event()

    def __call__(self, event: ServerEvent) -> None:
        self.append(event)
        self._grown.set()

    async def of(self, event: ServerEvent) -> None:
        while event not in self:
            self._grown = trio.Event()
            await self._grown.wait()
