"""Mirrors: tracks fetched from the network, so that they have one more source.

A mirror is a light client within the server, with a key of its own. It fetches every rendition of a track,
verified as for playback, and stores it as an import would: the manifest's bytes are the same, and so is the
track id. A track stays for as long as its `--mirror` is given.

One track is fetched at a time. A track that no peer offers now is skipped, and tried again with growing
pauses. Strangers choose the tracks that words find, so their total size is limited, and includes the tracks
of earlier runs.
"""

from __future__ import annotations

import logging
import shutil
from contextlib import ExitStack, aclosing
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple, Self, TypeVar, TypeVarTuple

import trio

from lightpeer.client.client import open_client
from lightpeer.client.kept import Wanted
from lightpeer.client.stream import SILENCE_S, next_within, streaming
from lightpeer.core.content.manifest import ENTRY_BYTES, TABLE_SEGMENTS, build_table, served_tables
from lightpeer.core.content.uri import format_uri, is_uri, parse_uri
from lightpeer.errors import LightpeerError, StreamFailedError
from lightpeer.serve.importing.scan import mirror_root
from lightpeer.serve.library.disk import state_error
from lightpeer.serve.library.imported_files import SourceKey
from lightpeer.serve.library.removal import MIRRORED
from lightpeer.serve.operator.events import Mirrored, Trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from lightpeer.client.client import Client
    from lightpeer.config import Settings
    from lightpeer.core.content.manifest import Track
    from lightpeer.core.trust.contact import Contact
    from lightpeer.core.trust.identity import PeerId
    from lightpeer.serve.access.node import Node
    from lightpeer.serve.library.library import Library
    from lightpeer.serve.operator.events import ServerEvent

logger = logging.getLogger(__name__)

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

TRACKS_PER_QUERY: Final = 20
MAX_RENDITION_BYTES: Final = 1 << 28  # six hours at 96 kbit/s
MAX_QUERY_BYTES: Final = 1 << 30  # half a day of music at three bitrates, failed fetches included
FETCH_AGAIN_S: Final = 600.0  # between checks for damaged tracks
RETRY_S: Final = 5.0  # doubles
MAX_RETRY_S: Final = 600.0
MIRROR_SUBDIR: Final = "mirror"  # of the server's state: the client's key, its peers, the track under way


class Mirror:
    """Fetches tracks into a library; nothing else may add to it meanwhile."""

    def __init__(
        self,
        library: Library,
        node: Node,
        settings: Settings,
        wanted: Sequence[str],
        contacts: Callable[[], Sequence[Contact]],
    ) -> None:
        """Begin with nothing fetched.

        Args:
            library: takes the tracks.
            node: the server; tracks and peers that its rules deny are left alone.
            settings: a client's, with the server's state directory.
            wanted: `loud:…`, or words to search for.
            contacts: gives the peers to ask first.
        """
        self._library = library
        self._node = node
        self._settings = replace(settings, state_dir=settings.state_dir / MIRROR_SUBDIR, cache_bytes=0)
        self._wanted = wanted
        self._contacts = contacts
        self._on_trouble: Callable[[str], object] = lambda _: None
        self._troubled: set[str] = set()
        self._room_bytes: dict[str, int] = {}  # by entry

    async def run(
        self, on_track: Callable[[Track], object], on_trouble: Callable[[str], object] = lambda _: None
    ) -> None:
        """Fetch until everything wanted is here.

        Args:
            on_track: told of each new track.
            on_trouble: told once of each entry that cannot be had at first, in a sentence.
        """
        self._on_trouble = on_trouble
        await self._measure_room()
        missing, pause_s = list(self._wanted), RETRY_S
        while missing:
            missing = [entry for entry in missing if not await self._fetched(entry, on_track)]
            if missing:
                await trio.sleep(pause_s)
                pause_s = min(2 * pause_s, MAX_RETRY_S)

    async def keep(self, tell: Callable[[ServerEvent], object]) -> None:
        """Fetch everything wanted, and damaged tracks again, for ever; tell of each event."""
        is_missing = True
        while True:
            if is_missing:
                await self.run(
                    lambda track: tell(Mirrored(track.uri, track.title)), lambda text: tell(Trouble(text))
                )
            await trio.sleep(FETCH_AGAIN_S)
            damaged = await _in_thread(self._library.damaged_files)
            is_missing = any(path.startswith(MIRRORED) for path in damaged)

    async def _measure_room(self) -> None:
        for entry in self._wanted:
            here_bytes = await _in_thread(self._library.bytes_below, mirror_root(entry))
            self._room_bytes[entry] = MAX_QUERY_BYTES - here_bytes

    async def _fetched(self, entry: str, on_track: Callable[[Track], object]) -> bool:
        """Fetch the tracks of one entry, and return whether there is no more to fetch."""
        if self._room_bytes[entry] <= 0:
            logger.info("no more is mirrored of %s: it has brought all that one entry may", entry)
            return True
        settings = replace(self._settings, bootstrap=tuple(self._contacts()))
        is_here = False
        try:
            async with open_client(settings, self._node.network, self._takes_from) as client:
                found = await self._track_ids(client, entry)
                missing = [i for i in found if not await self._fetched_track(client, entry, i, on_track)]
                is_here = bool(found) and not missing
                if not found:
                    self._tell(entry, "no peer that was asked has such a track")
        except LightpeerError as error:
            self._tell(entry, str(error))
        return is_here

    async def _fetched_track(
        self, client: Client, entry: str, track_id: bytes, on_track: Callable[[Track], object]
    ) -> bool:
        """Fetch one track of an entry unless it is here, and return whether there is no more to fetch."""
        if not self._node.access.rules.serves(track_id):
            self._tell(entry, f"{format_uri(track_id)} is denied or withdrawn here", is_final=True)
            return True
        if await _in_thread(self._library.track, track_id) is not None:
            return True
        if self._room_bytes[entry] <= 0:
            return False
        try:
            on_track(await self._fetch(client, track_id, entry))
        except LightpeerError as error:
            self._tell(entry, str(error))
            return False
        return True

    def _takes_from(self, peer_id: PeerId, host: str) -> bool:
        return self._node.access.rules.takes_from(peer_id, [host])

    def _tell(self, entry: str, reason: str, *, is_final: bool = False) -> None:
        """Report a missing track: to the operator once, to the log each time."""
        logger.info("cannot mirror %s now: %s", entry, reason)
        if entry not in self._troubled:
            self._troubled.add(entry)
            what = f"{entry} is not mirrored" if is_final else f"cannot mirror {entry} now, trying again"
            self._on_trouble(f"{what}: {reason}")

    async def _track_ids(self, client: Client, entry: str) -> list[bytes]:
        if is_uri(entry):
            return [parse_uri(entry)]
        async with aclosing(client.search(entry, limit=TRACKS_PER_QUERY)) as hits:
            return [hit.track_id async for hit in hits]

    async def _fetch(self, client: Client, track_id: bytes, entry: str) -> Track:
        """Fetch one track whole and add it to the library."""
        workspace = self._settings.state_dir / "incoming"
        try:
            await _in_thread(_empty, workspace)
            try:
                await self._fetch_renditions(client, track_id, workspace, self._room_bytes[entry])
            finally:
                with trio.CancelScope(shield=True):
                    self._room_bytes[entry] -= await _in_thread(_size, workspace)
            key = SourceKey(_path_of(entry, track_id), 0, 0)
            return await _in_thread(self._library.add, key, workspace)
        except OSError as error:
            raise state_error(workspace, error) from error

    async def _fetch_renditions(
        self, client: Client, track_id: bytes, workspace: Path, max_bytes: int
    ) -> None:
        track = await _fetch_rendition(client, track_id, workspace, _Rendition(0, 1, max_bytes))
        for number, rendition in enumerate(track.renditions[1:], 1):
            left_bytes = max_bytes - await _in_thread(_size, workspace)
            await _fetch_rendition(
                client, track_id, workspace, _Rendition(number, rendition.bitrate_kbps, left_bytes)
            )


class _Rendition(NamedTuple):
    """A rendition to fetch: which, the bitrate that finds it, and how large it may be."""

    number: int
    bitrate_kbps: int
    max_bytes: int


async def _fetch_rendition(client: Client, track_id: bytes, workspace: Path, wanted: _Rendition) -> Track:
    """Write a rendition and its segment tables as the library has them, and with the first the manifest."""
    number = wanted.number
    max_bytes = min(wanted.max_bytes, MAX_RENDITION_BYTES)
    async with streaming(client, track_id, Wanted(wanted.bitrate_kbps)) as (session, opened):
        if number == 0:
            assert opened is not None, "nothing is kept that it could begin with"
            await _in_thread((workspace / "manifest").write_bytes, opened.manifest)
        path = workspace / f"{number}.opus"
        with await _in_thread(_Copy, path, session.track.renditions[number].header) as copy:
            while (segment := await next_within(SILENCE_S, session)) is not None:
                await _in_thread(copy.add, segment.data)
                if segment.rendition != number or copy.size > max_bytes:
                    raise StreamFailedError("the track has two renditions alike, or is larger than we mirror")
            await _in_thread(copy.finish, session.track)
        return session.track


class _Copy:
    """A rendition being written; the disk is slow, so by a worker thread."""

    def __init__(self, path: Path, header: bytes) -> None:
        """Begin the file."""
        self._path = path
        self._entries = bytearray()  # of the tables: 1.2 MB for the longest track
        with ExitStack() as stack:
            self._file = stack.enter_context(path.open("wb"))
            self.size = self._file.write(header)
            self._files = stack.pop_all()

    def add(self, segment: bytes) -> None:
        """Append a segment."""
        self.size += self._file.write(segment)
        self._entries += build_table([segment])

    def finish(self, track: Track) -> None:
        """Write the tables, as the track's manifest wants them."""
        step = TABLE_SEGMENTS * ENTRY_BYTES
        tables = [bytes(self._entries[at : at + step]) for at in range(0, len(self._entries), step)]
        served = served_tables(tables) if track.table_path_bytes else tables
        self._path.with_suffix(".tables").write_bytes(b"".join(served))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._files.close()


async def _in_thread(function: Callable[[*Ts], T], *args: *Ts) -> T:
    """Call a function that may wait for the disk, and await its end even if cancelled: some of them write."""
    return await trio.to_thread.run_sync(function, *args)


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir())


def _path_of(entry: str, track_id: bytes) -> bytes:
    return mirror_root(entry) + b"/" + track_id.hex().encode()
