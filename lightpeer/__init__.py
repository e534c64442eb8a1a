"""lightpeer: a small-footprint client of loudp2p, a peer-to-peer network for streaming music.

What a program needs is here; everything else is the library's own business:

    async with open_client(load_settings(environ=os.environ), SystemNetwork()) as client:
        async for hit in client.search("words"):
            print(hit.uri, hit.title)

Names are imported when they are first used, so that `import lightpeer` costs
nothing and sound is not touched by those who only search.
"""

from __future__ import annotations

from lightpeer.version import VERSION

TYPE_CHECKING = False  # as typing's, which would be a quarter of the time that --version takes

if TYPE_CHECKING:
    from lightpeer.audio.outputs import make_sink
    from lightpeer.client.client import open_client
    from lightpeer.client.fetch import fetch
    from lightpeer.client.models import Hit, PeerInfo
    from lightpeer.config import Settings, load_settings
    from lightpeer.errors import LightpeerError
    from lightpeer.net.system import SystemNetwork
    from lightpeer.playback.events import PlayerEvent
    from lightpeer.playback.player import Player, Status

__version__ = VERSION

__all__ = [
    "Hit",
    "LightpeerError",
    "PeerInfo",
    "Player",
    "PlayerEvent",
    "Settings",
    "Status",
    "SystemNetwork",
    "__version__",
    "fetch",
    "load_settings",
    "make_sink",
    "open_client",
]

_HOMES = {
    "Hit": "lightpeer.client.models",
    "LightpeerError": "lightpeer.errors",
    "PeerInfo": "lightpeer.client.models",
    "Player": "lightpeer.playback.player",
    "PlayerEvent": "lightpeer.playback.events",
    "Settings": "lightpeer.config",
    "Status": "lightpeer.playback.player",
    "SystemNetwork": "lightpeer.net.system",
    "fetch": "lightpeer.client.fetch",
    "load_settings": "lightpeer.config",
    "make_sink": "lightpeer.audio.outputs",
    "open_client": "lightpeer.client.client",
}


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
