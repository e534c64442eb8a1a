"""The API for programs: a light client that searches, fetches, streams and plays.

It only joins the rooms: the client finds and fetches, the player plays and needs sound, and neither knows the
other. Each is imported at its first use. Settings and network have defaults here and nowhere below: those of
the person who runs the program, and the system's.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from lightpeer.client.metered import open_metered
from lightpeer.config import Settings, load_settings
from lightpeer.core.trust.contact import Contact, parse_contacts
from lightpeer.core.trust.identity import format_peer_id
from lightpeer.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from lightpeer.client.client import Client
    from lightpeer.client.fetch import Fetched
    from lightpeer.client.models import Hit, PeerInfo
    from lightpeer.client.stream import SegmentStream
    from lightpeer.net.network import Network
    from lightpeer.playback.background import BackgroundPlayer


@asynccontextmanager
async def open_client(
    *, bootstrap: Iterable[str] = (), settings: Settings | None = None, network: Network | None = None
) -> AsyncIterator[LightClient]:
    """Open a light client for the length of a block. It never listens, and opens no socket before it must.

    Args:
        bootstrap: the first peers to ask, each `HOST`, `HOST:PORT`, `ID@HOST:PORT` or an invite; none: as
            the settings say.
        settings: None: as for the `lightpeer` command, from the environment and the person's file.
        network: None: the system's.

    Raises:
        UsageError: `bootstrap` holds a malformed address.
        ConfigError: a mistake in the environment or the file.
        CapReachedError: a cap of the data budget is reached, now or later; the block is cancelled.
    """
    if network is None:
        from lightpeer.net.system import SystemNetwork

        network = SystemNetwork()
    if settings is None:
        settings = load_settings(environ=os.environ)
    if contacts := tuple(contact for text in bootstrap for contact in _contacts(text)):
        settings = replace(settings, bootstrap=contacts)
    async with open_metered(settings, network) as client:
        yield LightClient(client)


class LightClient:
    """Finds tracks, fetches and plays them; make it with `open_client`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._client.settings

    @property
    def peer_id(self) -> str:
        """Our own id, as others see it."""
        return format_peer_id(self._client.identity.peer_id)

    async def search(self, query: str, *, limit: int = 10) -> AsyncGenerator[Hit, None]:
        """Yield the tracks that words find, at most `limit`, best first, each once.

        Raises:
            NoPeerError: no peer could be asked.
        """
        async with aclosing(self._client.search(query, limit)) as hits:
            async for hit in hits:
                yield hit

    async def peers(self) -> list[PeerInfo]:
        """Ask for peers; return all that are known now, best first.

        Raises:
            NoPeerError: no peer could be asked.
        """
        return await self._client.peers()

    async def fetch(
        self,
        uri: str,
        path: Path,
        *,
        bitrate_kbps: int | None = None,
        on_progress: Callable[[int, int | None], None] | None = None,
    ) -> Fetched:
        """Fetch a track into a file, byte for byte as it was published, beginning with an earlier try's part.

        Args:
            uri: the track id, `loud:…`.
            path: the file, replaced once the track is complete.
            bitrate_kbps: the greatest rendition wanted; None: the best.
            on_progress: called with the bytes done and the bytes expected.

        Raises:
            NoPeerError: no peer could be asked.
            NothingFoundError: no reachable peer holds the track.
            StreamFailedError: nothing came for two minutes, or every peer sent corrupt data.
            StateError: the file cannot be written.
        """
        from lightpeer.client.fetch import FetchOptions, fetch

        options = FetchOptions(bitrate_kbps=bitrate_kbps, on_progress=on_progress)
        return await fetch(self._client, uri, path, options)

    @asynccontextmanager
    async def stream(self, uri: str, *, bitrate_kbps: int | None = None) -> AsyncIterator[SegmentStream]:
        """Stream a track's verified segments for the length of a block.

        Args:
            uri: the track id, `loud:…`.
            bitrate_kbps: the rendition is the greatest that is not above it, else the lowest; None: as the
                link allows, so that it may change from segment to segment.

        Raises:
            NoPeerError: no peer could be asked.
            NothingFoundError: no reachable peer holds the track.
            StreamFailedError: while iterating, every peer that offers the track sent corrupt data. An outage
                is waited for, however long.
        """
        from lightpeer.client.stream import open_stream

        async with open_stream(self._client, uri, bitrate_kbps=bitrate_kbps) as segments:
            yield segments

    @asynccontextmanager
    async def player(self, *, output: str | None = None) -> AsyncIterator[BackgroundPlayer]:
        """Open a player for the length of a block.

        Args:
            output: where sound goes, as for `--output`: `wav:FILE`, `command:PROGRAM`, `null`,
                `sounddevice:NAME`; None: as the settings say, else the sound device.

        Raises:
            UsageError: there is no such output.
            LightpeerError: playing failed, and neither `events` nor `wait_ended` has raised it.
        """
        from lightpeer.audio.outputs import make_sink
        from lightpeer.playback.background import open_player

        chosen = self.settings.output if output is None else output
        if chosen.partition(":")[0] not in {"", "sounddevice"}:
            make_sink(chosen)  # to check it; the device's module is imported later
        settings = replace(self.settings, output=chosen)
        async with open_player(self._client, lambda: make_sink(chosen or None), settings) as player:
            yield player


def _contacts(text: str) -> list[Contact]:
    try:
        return parse_contacts(text)
    except ValueError as error:
        raise UsageError(f"{text!r} is not the address of a peer: give {error}") from error
