"""Every exception that lightpeer raises, in one tree that says who is to blame.

    LightpeerError
    ├── LocalError             misuse on this side: fix the call or the command
    │   ├── StateMisuseError       a core was called out of its order
    │   ├── UsageError             a bad argument, setting or id (exit status 2)
    │   └── ConfigError            the configuration file is wrong (2)
    ├── RemoteError            a peer's fault
    │   ├── BadMessageError        bytes that break the protocol
    │   │   ├── SealError              a missing, changed, stale, replayed or foreign seal
    │   │   └── FramingError           a gRPC message or HTTP/2 frame that cannot be taken
    │   ├── RpcError               a call that ended with a status other than OK
    │   ├── VerificationError      content that does not match its hash
    │   └── StreamFailedError      no source can go on with the track (5)
    └── OutsideError           the world around both
        ├── NoPeerError            no peer can be reached (3)
        ├── NothingFoundError      no hit, or nobody who lets us in holds the track (4)
        ├── AudioError             no way to make sound (6)
        │   └── MissingLibraryError    a shared library is not installed (6)
        ├── StateError             a file or folder of ours cannot be used (1)
        └── UnreadableError        a music file that the server cannot import (1)

Each class carries the exit status that the command line gives for it. Codes,
ids and reasons are attributes; the message is one sentence that tells the
person what to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence


class LightpeerError(Exception):
    """The root. `exit_status` is what the commands end with."""

    exit_status = 1


class LocalError(LightpeerError):
    """Something on our side was used wrongly."""

    exit_status = 2


class StateMisuseError(LocalError):
    """A core was called out of the order that its docstring states."""


class UsageError(LocalError):
    """A bad argument, setting or id was given."""


class ConfigError(LocalError):
    """The configuration file or environment holds something unusable."""


class RemoteError(LightpeerError):
    """A peer did something wrong. `peer_id` is its id where it is known."""

    exit_status = 5
    is_lie = False  # whether the peer that was called broke the protocol

    def __init__(self, message: str, *, peer_id: str | None = None) -> None:
        super().__init__(message)
        self.peer_id = peer_id


class BadMessageError(RemoteError):
    """Bytes from the network that break the protocol; what `*_untrusted` raises."""

    is_lie = True


class SealError(BadMessageError):
    """A message that is not proven to be its sender's. `reason` is one word for programs.

    "foreign" means that somebody else is at the address now: the peer that was called is not to blame.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.is_lie = reason != "foreign"


class FramingError(BadMessageError):
    """A message, or a frame, that cannot be taken; `code` is gRPC's status for it, or HTTP/2's error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class RpcError(RemoteError):
    """A call that ended with a gRPC status other than OK; the surface is grpcio's.

    `code()` gives a `lightpeer.core.rpc.client.StatusCode`, `details()` the status
    message, `trailing_metadata()` the key and value pairs that came with it,
    and `initial_metadata()` those that came ahead.
    """

    def __init__(
        self,
        code: int,
        details: str = "",
        trailing_metadata: Sequence[tuple[str, str | bytes]] = (),
        initial_metadata: Sequence[tuple[str, str | bytes]] = (),
    ) -> None:
        super().__init__(f"the peer's answer was {_name(code)}: {details}".rstrip(": "))
        self._code = code
        self._details = details
        self._trailing_metadata = tuple(trailing_metadata)
        self._initial_metadata = tuple(initial_metadata)

    def code(self) -> int:
        """Return the status code."""
        return self._code

    def details(self) -> str:
        """Return the status message, which may be empty."""
        return self._details

    def trailing_metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        """Return the trailing metadata, in the order received."""
        return self._trailing_metadata

    def initial_metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        """Return the initial metadata, in the order received."""
        return self._initial_metadata

    def debug_error_string(self) -> str:
        """Return all of it as one line for a log."""
        metadata = [*self._initial_metadata, *self._trailing_metadata]
        return f"{_name(self._code)} ({int(self._code)}): {self._details!r}, metadata {metadata!r}"


def _name(code: int) -> str:
    return getattr(code, "name", str(code))


class VerificationError(RemoteError):
    """Content whose hash is not the one that the track id leads to."""


class StreamFailedError(RemoteError):
    """No source is left that can go on with the track."""


class OutsideError(LightpeerError):
    """Neither side's fault: the network, the disk, the sound system."""


class NoPeerError(OutsideError):
    """No peer can be reached."""

    exit_status = 3


class NothingFoundError(OutsideError):
    """Nothing matches the query, or no reachable peer holds the track, or none that does lets us in."""

    exit_status = 4


class AudioError(OutsideError):
    """No way to make sound, or the sink failed."""

    exit_status = 6


class MissingLibraryError(AudioError):
    """A shared library is not installed; `library` is its short name."""

    def __init__(self, library: str, message: str) -> None:
        super().__init__(message)
        self.library = library


class StateError(OutsideError):
    """A file or folder of ours cannot be used; `path` says which."""

    def __init__(self, path: object, message: str) -> None:
        super().__init__(message)
        self.path = str(path)


class UnreadableError(OutsideError):
    """A music file that cannot be imported; the message is the reason alone, to stand after its name."""


def leaves_of(error: BaseException) -> Iterator[BaseException]:
    """Give what an exception group holds, and the groups in it; an error that is no group is its own leaf."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves_of(inner)
    else:
        yield error
