"""The server role: library, index, gRPC server half, stream sender. The light client never imports it.

A program embeds a server with `open_server`:

    settings = ServeSettings(music_dir=Path("Music"), state_dir=Path("state"), listen=("127.0.0.1", 0))
    async with open_server(settings) as server:
        await server.wait_imported()
        print(server.address, server.peer_id)

Names are imported when they are first used.
"""

from __future__ import annotations

TYPE_CHECKING = False

if TYPE_CHECKING:
    from lightpeer.serve.embedding import Server, open_server
    from lightpeer.serve.operator.events import (
        Imported,
        Invited,
        LibraryTrouble,
        Listening,
        ListsRead,
        Mended,
        Mirrored,
        NotReached,
        OnlyHere,
        Reached,
        RoleChanged,
        ServerEvent,
        Trouble,
        Withdrawn,
    )
    from lightpeer.serve.operator.settings import ServeSettings

__all__ = [
    "Imported",
    "Invited",
    "LibraryTrouble",
    "Listening",
    "ListsRead",
    "Mended",
    "Mirrored",
    "NotReached",
    "OnlyHere",
    "Reached",
    "RoleChanged",
    "ServeSettings",
    "Server",
    "ServerEvent",
    "Trouble",
    "Withdrawn",
    "open_server",
]

_OTHER_HOMES = {"Server": "embedding", "open_server": "embedding", "ServeSettings": "operator.settings"}


def __getattr__(name: str) -> object:
    """Import a public name at its first use (PEP 562)."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module(f"{__name__}.{_OTHER_HOMES.get(name, 'operator.events')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
