"""Every exception that lightpeer raises, in one tree that says whose fault it is.

    LightpeerError
    ├── LocalError             misuse on this side: fix the call or the command
    │   ├── StateMisuseError       a call out of order
    │   ├── UsageError             a bad argument, setting or id (exit status 2)
    │   └── ConfigError            a mistake in the configuration file or environment (2)
    ├── RemoteError            a peer's fault
    │   ├── BadMessageError        bytes that break the protocol
    │   │   ├── SealError              a missing, changed, stale, replayed or foreign seal
    │   │   ├── FramingError           an invalid gRPC message or HTTP/2 frame
    │   │   └── CommandError           a remote control's command that is refused
    │   ├── RpcError               a call that ended with a status other than OK
    │   ├── VerificationError      content that does not match its hash
    │   └── StreamFailedError      no source can send the rest of the track (5)
    └── OutsideError           neither side's fault
        ├── NoPeerError            no peer can be reached (3)
        │   └── HolderAwayError        none that is said to hold the track
        ├── NothingFoundError      no hit, or no peer that answers us holds the track (4)
        ├── AudioError             no sound can be made (6)
        │   └── MissingLibraryError    a shared library is not installed (6)
        ├── CapReachedError        a cap of the data budget is reached (7)
        ├── StateError             a file or folder of ours cannot be used (1)
        └── UnreadableError        a music file that the server cannot import (1)

Each class has the exit status of the commands. Codes, ids and reasons are attributes. The message is one
sentence that tells the person what to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum, auto
from typing import Final

INTERRUPTED: Final = 130  # the commands' exit status after Ctrl-C: 128 + SIGINT, as shells count


class Unreached(StrEnum):
    """Why no peer was reached at an address."""

    REFUSED = auto()  # nobody listens there
    NO_ROUTE = auto()  # no packet gets there
    NO_NAME = auto()  # its name has no address
    NO_NAME_SERVER = auto()  # nobody could be asked for its address
    CLOSED = auto()  # each connection is closed before a word is said
    FOREIGN = auto()  # what answers there speaks another protocol than HTTP/2
    SILENT = auto()  # nothing comes back


class LightpeerError(Exception):
    """The root. `exit_status` is that of the commands."""

    exit_status = 1


class LocalError(LightpeerError):
    """A mistake on our side."""

    exit_status = 2


class StateMisuseError(LocalError):
    """A call out of the order that the docstring states."""


class UsageError(LocalError):
    """A bad argument, setting or id."""


class ConfigError(LocalError):
    """A mistake in the configuration file or the environment."""


class RemoteError(LightpeerError):
    """A peer's fault.

    Attributes:
        peer_id: the peer's id, if it is known.
        is_lie: whether the peer that was called broke the protocol.
    """

    exit_status = 5
    is_lie = False

    def __init__(self, message: str, *, peer_id: str | None = None) -> None:
        super().__init__(message)
        self.peer_id = peer_id


class BadMessageError(RemoteError):
    """Bytes from the network that break the protocol; raised by the functions named `*_untrusted`."""

    is_lie = True


class SealError(BadMessageError):
    """A message that is not proven to be its sender's. `reason` is one word for programs.

    "foreign" means that another peer is at the address now, and the one that was called is not to blame.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.is_lie = reason != "foreign"


class FramingError(BadMessageError):
    """An invalid message or frame; `code` is its gRPC status or HTTP/2 error."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class CommandError(BadMessageError):
    """A remote control's command that is refused; `code` is MPD's number for the reason."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class RpcError(RemoteError):
    """A call that ended with a gRPC status other than OK. Its methods are those of grpcio's.

    `unreached` says why it did not come to a server, where that is known.

    `code()` returns a `lightpeer.core.rpc.status.StatusCode`, `details()` the status message,
    `trailing_metadata()` the key and value pairs that came with it, and `initial_metadata()` those that came
    before.
    """

    def __init__(
        self,
        code: int,
        details: str = "",
        trailing_metadata: Sequence[tuple[str, str | bytes]] = (),
        initial_metadata: Sequence[tuple[str, str | bytes]] = (),
        *,
        unreached: Unreached | None = None,
    ) -> None:
        super().__init__(f"the peer's answer was {_name(code)}: {details}".rstrip(": "))
        self.unreached = unreached
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
        """Return everything in one line, for a log."""
        metadata = [*self._initial_metadata, *self._trailing_metadata]
        return f"{_name(self._code)} ({int(self._code)}): {self._details!r}, metadata {metadata!r}"


def _name(code: int) -> str:
    return getattr(code, "name", str(code))


class VerificationError(RemoteError):
    """Content that does not match the hash that its track id leads to."""


class StreamFailedError(RemoteError):
    """No source is left that can send the rest of the track."""


class OutsideError(LightpeerError):
    """Neither side's fault: the network, the disk, the sound system."""


class NoPeerError(OutsideError):
    """No peer can be reached. `may_pass`: the network may be to blame, so that another try may succeed."""

    exit_status = 3

    def __init__(self, message: str, *, may_pass: bool = True) -> None:
        super().__init__(message)
        self.may_pass = may_pass


class HolderAwayError(NoPeerError):
    """Peers answer, and none of those that are said to hold the track can be reached."""


class NothingFoundError(OutsideError):
    """Nothing matches the query, or no reachable peer that answers us holds the track."""

    exit_status = 4


class AudioError(OutsideError):
    """No sound can be made, or the sink failed."""

    exit_status = 6


class MissingLibraryError(AudioError):
    """A shared library is not installed; `library` is its short name."""

    def __init__(self, library: str, message: str) -> None:
        super().__init__(message)
        self.library = library


class CapReachedError(OutsideError):
    """A cap of the data budget is reached. The message says when it renews, and how to go on anyway."""

    exit_status = 7


class StateError(OutsideError):
    """A file or folder of ours cannot be used; `path` says which."""

    def __init__(self, path: object, message: str) -> None:
        super().__init__(message)
        self.path = str(path)


class UnreadableError(OutsideError):
    """A music file that cannot be imported. The message is the reason only, to follow the file's name."""


def leaves_of(error: BaseException) -> Iterator[BaseException]:
    """Yield the errors in an exception group and its inner groups; another error yields itself."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves_of(inner)
    else:
        yield error
