"""lightpeer: a small-footprint client of loudp2p, a peer-to-peer network for streaming music.

What a program needs is here; everything else is the library's own business:

    async with lightpeer.open_client(bootstrap=["music.example.org"]) as client:
        async for hit in client.search("copper rain"):
            print(hit.uri, hit.title)
        done = await client.fetch(hit.uri, path)
        async with client.stream(hit.uri, bitrate_kbps=48) as segments:
            async for segment in segments: ...
        async with client.player(output="wav:x.wav") as player:
            await player.play([hit.uri])
            async for event in player.events: ...

A server to embed is in `lightpeer.serve`, gRPC on trio in `lightpeer.rpc`. Names are imported when they are
first used, so that `import lightpeer` costs nothing and sound is not touched by those who only search.
"""

from __future__ import annotations

from lightpeer.version import VERSION

TYPE_CHECKING = False  # as typing's, which would be a quarter of the time that --version takes

if TYPE_CHECKING:
    from lightpeer.api import LightClient, open_client
    from lightpeer.client.fetch import Fetched
    from lightpeer.client.models import Hit, PeerInfo
    from lightpeer.client.stream import Segment, SegmentStream
    from lightpeer.config import Settings, load_settings
    from lightpeer.core.budget.profile import Profile
    from lightpeer.core.content.album import AlbumPlace
    from lightpeer.core.content.manifest import Rendition, Track
    from lightpeer.core.queue.entries import Entry
    from lightpeer.core.queue.modes import Modes, Switch
    from lightpeer.core.trust.contact import Contact
    from lightpeer.errors import (
        AudioError,
        BadMessageError,
        CapReachedError,
        ConfigError,
        LightpeerError,
        LocalError,
        MissingLibraryError,
        NoPeerError,
        NothingFoundError,
        OutsideError,
        RemoteError,
        StateError,
        StreamFailedError,
        UsageError,
        VerificationError,
    )
    from lightpeer.playback.background import BackgroundPlayer, PlayerEvents
    from lightpeer.playback.events import (
        Ended,
        ModesChanged,
        NotPlayed,
        Opening,
        Paused,
        PlayerEvent,
        Playing,
        QueueChanged,
        Rebuffering,
        Resumed,
        Seeked,
        Slowed,
        SourceLost,
        TransportChanged,
        Unpaused,
        Waiting,
    )
    from lightpeer.playback.status import Status

__version__ = VERSION

__all__ = [
    "AlbumPlace",
    "AudioError",
    "BackgroundPlayer",
    "BadMessageError",
    "CapReachedError",
    "ConfigError",
    "Contact",
    "Ended",
    "Entry",
    "Fetched",
    "Hit",
    "LightClient",
    "LightpeerError",
    "LocalError",
    "MissingLibraryError",
    "Modes",
    "ModesChanged",
    "NoPeerError",
    "NotPlayed",
    "NothingFoundError",
    "Opening",
    "OutsideError",
    "Paused",
    "PeerInfo",
    "PlayerEvent",
    "PlayerEvents",
    "Playing",
    "Profile",
    "QueueChanged",
    "Rebuffering",
    "RemoteError",
    "Rendition",
    "Resumed",
    "Seeked",
    "Segment",
    "SegmentStream",
    "Settings",
    "Slowed",
    "SourceLost",
    "StateError",
    "Status",
    "StreamFailedError",
    "Switch",
    "Track",
    "TransportChanged",
    "Unpaused",
    "UsageError",
    "VerificationError",
    "Waiting",
    "__version__",
    "load_settings",
    "open_client",
]

_ROOMS = {
    "api": ("LightClient", "open_client"),
    "client.fetch": ("Fetched",),
    "client.models": ("Hit", "PeerInfo"),
    "client.stream": ("Segment", "SegmentStream"),
    "config": ("Settings", "load_settings"),
    "core.budget.profile": ("Profile",),
    "core.trust.contact": ("Contact",),
    "core.content.album": ("AlbumPlace",),
    "core.content.manifest": ("Rendition", "Track"),
    "core.queue.entries": ("Entry",),
    "core.queue.modes": ("Modes", "Switch"),
    "errors": (
        *("AudioError", "BadMessageError", "CapReachedError", "ConfigError", "LightpeerError", "LocalError"),
        *("MissingLibraryError", "NoPeerError", "NothingFoundError", "OutsideError", "RemoteError"),
        *("StateError", "StreamFailedError", "UsageError", "VerificationError"),
    ),
    "playback.background": ("BackgroundPlayer", "PlayerEvents"),
    "playback.events": (
        *(
            "Ended",
            "ModesChanged",
            "NotPlayed",
            "Opening",
            "Paused",
            "PlayerEvent",
            "Playing",
            "QueueChanged",
        ),
        *(
            "Rebuffering",
            "Resumed",
            "Seeked",
            "Slowed",
            "SourceLost",
            "TransportChanged",
            "Unpaused",
            "Waiting",
        ),
    ),
    "playback.status": ("Status",),
}

_HOMES = {name: f"{__name__}.{room}" for room, names in _ROOMS.items() for name in names}


def __getattr__(name: str) -> object:
    """Import a public name at its first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
