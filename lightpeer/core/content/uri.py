"""How people write a track id: `loud:` and base58. On its own, because every command looks here first."""

from __future__ import annotations

import base58

from lightpeer.errors import UsageError

TRACK_ID_BYTES = 32
SCHEME = "loud:"


def format_uri(track_id: bytes) -> str:
    """Return the uri of a 32-byte track id."""
    return SCHEME + base58.b58encode(track_id).decode()


def is_uri(text: str) -> bool:
    """Return whether a person means a track id rather than words to search for."""
    return text.startswith(SCHEME)


def parse_uri(text: str) -> bytes:
    """Return the 32-byte track id of a `loud:` uri; raise UsageError if it is malformed."""
    try:
        raw = base58.b58decode(text.removeprefix(SCHEME))
    except ValueError:
        raw = b""
    if not is_uri(text) or len(raw) != TRACK_ID_BYTES:
        raise UsageError(f"{text!r} is not a track id: copy it whole, it looks like loud:8FxR…")
    return raw


def named_track(query: str) -> bytes | None:
    """Return the 32-byte track id that somebody searches for; None for words, and for a malformed uri."""
    if not is_uri(query):
        return None
    try:
        return parse_uri(query)
    except UsageError:
        return None
