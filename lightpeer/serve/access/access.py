"""The rules that are in force: the lists are read at the start, and again when one has changed.

A server does not start with a list that it cannot read. If a list becomes unreadable while the server runs,
its old entries stay in force and the operator is told. So a mistake never lets anybody in.

The kernel reports changes (`inotify.py`), and so does SIGHUP; nothing is polled.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, NoReturn, Protocol

import trio

from lightpeer.core.content.uri import format_uri
from lightpeer.core.guard.rules import Refusal, Rules
from lightpeer.core.rpc.status import StatusCode
from lightpeer.errors import LightpeerError, RpcError
from lightpeer.serve.access.inotify import FolderWatch
from lightpeer.serve.access.lists import allow_source, deny_source, withdrawn_source
from lightpeer.serve.operator.events import LibraryTrouble, ListsRead, Withdrawn
from lightpeer.tasks.nursery import open_nursery

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Collection, Iterable, Sequence
    from pathlib import Path

    from lightpeer.core.lists.packed import PackedSet
    from lightpeer.core.trust.identity import PeerId
    from lightpeer.serve.library.library import Library
    from lightpeer.serve.operator.events import ServerEvent

logger = logging.getLogger(__name__)

SETTLE_S: Final = 0.1  # after a change, since editors move the old file away before they write the new one
_REASONS: Final = {
    Refusal.PRIVATE: "this server answers only those whom its operator has named",
    Refusal.DENIED: "the operator of this server has shut you out",
}


class Access:
    """The rules that are in force. One made without lists lets in everybody."""

    def __init__(self, own: PeerId) -> None:
        """Let everybody in; `own` is the server's id."""
        self.rules = Rules(own)

    def require(self, caller: PeerId, host: str) -> None:
        """Raise RpcError (PERMISSION_DENIED) unless a caller may listen.

        Args:
            caller: its id.
            host: its numeric address.
        """
        refusal = self.rules.refusal(caller, host)
        if refusal is not None:
            raise RpcError(StatusCode.PERMISSION_DENIED, f"{refusal}: {_REASONS[refusal]}")


class Lists:
    """The lists of one server; they keep an `Access` up to date."""

    def __init__(
        self,
        access: Access,
        state_dir: Path,
        *,
        allow: Sequence[str] = (),
        deny: Sequence[str] = (),
        warn: Callable[[str], object] = logger.warning,
    ) -> None:
        """Read all lists, and put them in force.

        Args:
            access: kept up to date.
            state_dir: holds the list of withdrawn tracks.
            allow: lists of peers that may listen, files or peer ids; none: everybody may.
            deny: lists of peers that may not, and of tracks that are not served.
            warn: told of trouble that the operator should know of, in a sentence.

        Raises:
            LightpeerError: a list cannot be read.
        """
        self._access = access
        self._warn = warn
        self._withdrawn = withdrawn_source(state_dir)
        self._allow = [allow_source(text) for text in allow]
        self._deny = [*map(deny_source, deny), self._withdrawn]
        self._files = {
            source.path: source for source in (*self._allow, *self._deny) if source.path is not None
        }
        self._changed: set[Path] = set()
        self._wake = trio.Event()
        self._names_nobody = False
        self._is_begun = False
        for source in self._files.values():
            source.entries = source.read()
        self._put_in_force()

    @property
    def withdrawn(self) -> PackedSet:
        """The tracks that were withdrawn for good."""
        return self._withdrawn.entries.tracks

    @property
    def has_files(self) -> bool:
        """Whether a person named a file, which may change."""
        return len(self._files) > 1

    def summary(self) -> str:
        """Return a few words on the rules in force."""
        allowed = sum(len(source.entries) for source in self._allow)
        denied = sum(len(source.entries) for source in self._deny if source is not self._withdrawn)
        who = f"{allowed} peers may listen" if self._allow else "everybody may listen"
        return f"{who}, {denied} entries deny, {len(self.withdrawn)} tracks are withdrawn"

    async def watch(self, hangups: AsyncIterable[object] | None, on_change: Callable[[], object]) -> None:
        """Read changed lists, and all lists at each of `hangups`, for ever; call `on_change` after each."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._note_changes)
            if hangups is not None:
                nursery.start_soon(self._note_hangups, hangups)
            while True:
                await self._wake.wait()
                await trio.sleep(SETTLE_S)
                self._wake = trio.Event()
                changed, self._changed = self._changed, set()
                if await self._read(changed):
                    on_change()

    def _note(self, paths: Iterable[Path]) -> None:
        self._changed.update(paths)
        if self._changed:
            self._wake.set()

    async def _note_hangups(self, hangups: AsyncIterable[object]) -> None:
        async for _ in hangups:
            self._note(self._files)

    async def _note_changes(self) -> None:
        """Note which files have changed, where the system can report that."""
        try:
            with FolderWatch() as watch:
                await self._follow(watch)
        except OSError as error:
            logger.info("files are not watched: %s", error)
            if self.has_files:
                self._warn(f"{error.strerror}: after a change of a list send SIGHUP")

    async def _follow(self, watch: FolderWatch) -> NoReturn:
        self._watch_places(watch)
        may_be_lost, self._is_begun = self._is_begun, True  # changes since the watch failed
        changed = (path for path, source in self._files.items() if source.has_changed())
        self._note(self._files if may_be_lost else changed)
        while True:
            places = self._watch_places(watch)
            changes = await watch.changes()
            self._note(path for place, path in places.items() if place in changes.paths)
            if changes.overflowed:
                self._note(self._files)

    def _watch_places(self, watch: FolderWatch) -> dict[Path, Path]:
        """Watch where each file is: where it was named, and where links lead from there."""
        places = {place: path for path in self._files for place in (path, path.resolve())}
        for place in places:
            watch.add(place.parent)
        return places

    async def _read(self, paths: Collection[Path]) -> bool:
        """Read some files again, and return whether any could be read."""
        read = False
        unread: list[LightpeerError] = []
        for path in paths:
            source = self._files[path]
            try:
                source.entries = await trio.to_thread.run_sync(source.read, abandon_on_cancel=True)
                read = True
            except LightpeerError as error:
                unread.append(error)
        if read:
            self._put_in_force()  # before any warning, which may fail
        for failure in unread:
            self._warn(f"{failure}: what it said before stays in force")
        return read

    def _put_in_force(self) -> None:
        allow = tuple(source.entries for source in self._allow) if self._allow else None
        self._access.rules = Rules(
            self._access.rules.own, allow, tuple(source.entries for source in self._deny)
        )
        named_nobody, self._names_nobody = self._names_nobody, allow is not None and not any(map(len, allow))
        if self._names_nobody and not named_nobody:
            names = " and ".join(str(source.path) for source in self._allow)
            self._warn(f"{names} names nobody: nobody may listen until it does")


class Refusing(Protocol):
    """Serves listeners, and can stop serving some."""

    def drop_refused(self) -> object:
        """End everything of listeners that may not listen any more."""


async def keep_to(
    lists: Lists,
    library: Library,
    streams: Refusing,
    tell: Callable[[ServerEvent], object],
    hangups: AsyncIterable[object] | None = None,
) -> None:
    """Apply the lists as they change, for ever: first to streams, then to the library.

    Args:
        lists: the lists to apply.
        library: withdrawn tracks are dropped from it.
        streams: ended where they are refused now.
        tell: told of each event.
        hangups: at each of these all lists are read again.
    """
    changed = trio.Event()

    def on_change() -> None:
        streams.drop_refused()
        changed.set()

    async with open_nursery() as nursery:
        nursery.start_soon(lists.watch, hangups, on_change)
        while True:
            await changed.wait()
            changed = trio.Event()
            await drop_withdrawn(lists, library, tell)
            tell(ListsRead(lists.summary()))


async def drop_withdrawn(lists: Lists, library: Library, tell: Callable[[ServerEvent], object]) -> None:
    """Drop withdrawn tracks from a library, for good.

    Args:
        lists: name the tracks.
        library: drops them.
        tell: told of each track that was there.
    """
    if not lists.withdrawn:
        return
    try:
        here = await trio.to_thread.run_sync(library.withdraw, lists.withdrawn)
    except LightpeerError as error:  # the tracks are not served in any case
        tell(LibraryTrouble(str(error)))
        return
    for track_id in here:
        tell(Withdrawn(format_uri(track_id)))
