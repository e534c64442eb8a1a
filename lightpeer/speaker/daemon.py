"""A speaker put together: the player, what remotes see of it, and where they reach it."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

from lightpeer.core.mpd.song import Song
from lightpeer.core.mpd.speaker import Speaker
from lightpeer.core.trust.bounds import MAX_HITS
from lightpeer.net.network import listener_address
from lightpeer.speaker.controls import PlayerControls
from lightpeer.speaker.mpd import Remotes
from lightpeer.speaker.places import listen_at, open_socket
from lightpeer.speaker.searching import Searches
from lightpeer.tasks.nursery import open_nursery

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from lightpeer.audio.sinks import Sink
    from lightpeer.client.client import Client
    from lightpeer.client.models import Hit
    from lightpeer.net.network import Address, Network
    from lightpeer.playback.events import Playing
    from lightpeer.speaker.places import Places


class Daemon(NamedTuple):
    """A speaker that is running, and the address where it listens."""

    speaker: Speaker
    address: Address


@asynccontextmanager
async def open_speaker(
    client: Client, sink_factory: Callable[[], Sink], local: Network, places: Places
) -> AsyncIterator[Daemon]:
    """Run a speaker for the length of a block.

    Args:
        client: finds and opens tracks.
        sink_factory: makes the sink when it is needed.
        local: the network that remotes are on; its traffic is not the client's, and counts for nothing.
        places: where remotes reach it.

    Raises:
        StateError: it cannot listen there.
    """
    controls = PlayerControls(client, sink_factory, client.settings)
    speaker = Speaker(controls.queue, controls, local.unix_time())

    async def find(words: str) -> list[Hit]:
        return (await client.find(words, MAX_HITS)).hits

    async with AsyncExitStack() as stack, open_nursery() as nursery:
        searches = Searches(find, speaker.catalogue, local.unix_time, nursery)
        remotes = Remotes(speaker, searches, local.unix_time)
        controls.on_change = speaker.on_change = remotes.notify
        controls.on_playing = lambda event: _note_playing(speaker, event, local.unix_time())
        searches.on_late = lambda: remotes.notify("database")
        listener = await listen_at(local, places.address)
        nursery.start_soon(remotes.listen, listener)
        if places.socket_path is not None:
            socket = await stack.enter_async_context(open_socket(places.socket_path))
            nursery.start_soon(remotes.listen_near, socket)
        nursery.start_soon(controls.run)
        yield Daemon(speaker, listener_address(listener))
        nursery.cancel_scope.cancel()


def _note_playing(speaker: Speaker, event: Playing, now_s: float) -> None:
    """Note what a track is called, which its uri alone did not say."""
    known = speaker.catalogue.get(event.uri) or Song(event.uri)
    told = known._replace(
        title=event.title, artist=event.artist, album=event.album, duration_s=event.duration_s
    )
    if speaker.catalogue.remember([told], now_s):
        speaker.on_change("playlist")
