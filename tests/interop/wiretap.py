"""Whether the latest message was compressed: what our halves, as grpcio, tell nobody above them."""

from __future__ import annotations

from typing import Final

from lightpeer.core import framing

COMPRESSED: Final[list[bool]] = []
"""The latest message that was taken in this process, alone; a deserializer runs right after."""


def tap() -> None:
    """Watch from now on."""
    take = framing.Frame.message_untrusted

    def message_untrusted(frame: framing.Frame, max_bytes: int) -> bytes:
        COMPRESSED[:] = [frame.compressed]
        return take(frame, max_bytes)

    framing.Frame.message_untrusted = message_untrusted
