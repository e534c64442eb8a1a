"""The files and arguments that name listeners to let in or shut out, and tracks withdrawn for good.

A list is a file or, on the command line, the entries themselves. It is read whole or not at all
(`core/lists/rule_lists.py`), a piece at a time, with a rest after each: a thread that reads a
long list holds Python's lock as long as it can, and a server that waits for the lock at each packet would
fall silent.

Withdrawn tracks are a list too, in the state directory, so that they stay withdrawn; the command appends
to it, whether or not a server runs.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lightpeer.core.content.uri import format_uri
from lightpeer.core.lists.rule_lists import (
    ALLOWABLE,
    DENIABLE,
    WITHDRAWABLE,
    Kind,
    LineError,
    RuleList,
    read_list,
)
from lightpeer.errors import ConfigError, StateError, UsageError
from lightpeer.serve.library.disk import state_error
from lightpeer.serve.library.paths import absolute, mode_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

PIECE_BYTES: Final = 16_384  # read at once: a millisecond or two of work
READ_REST_S: Final = 0.0005  # after each
WITHDRAWN_NAME: Final = "withdrawn"
_HELP: Final = {
    "--allow": "peer ids (L…, as `lightpeer id` prints one)",
    "--deny": "peer ids, publisher:L…, networks and track ids",
}


class ListSource:
    """One list and its entries. `path` is None if the entries came from the command line."""

    def __init__(self, path: Path | None, kinds: Collection[Kind], *, may_be_missing: bool = False) -> None:
        """Begin with an empty list.

        Args:
            path: of its file; None: the entries are added by the caller.
            kinds: the kinds of entries that it may have.
            may_be_missing: whether the file need not exist yet.
        """
        self.path = path
        self.entries = RuleList()
        self._read_of: tuple[int, ...] | None = None  # which file was read
        self._kinds = kinds
        self._may_be_missing = may_be_missing

    def read(self) -> RuleList:
        """Return the entries that the file has now; that may take a while.

        Raises:
            StateError: there is no such file, or it cannot be read.
            ConfigError: a line of it cannot be read.
        """
        assert self.path is not None, "entries that were given stay as they are"
        self._read_of = self._file()
        try:
            if not self.path.is_file():  # a pipe would never end
                if self._may_be_missing and not self.path.exists():
                    return RuleList()
                what = "is not a file" if self.path.exists() else "does not exist"
                raise StateError(self.path, f"{self.path} {what}")
            with self.path.open("rb") as file:
                entries = read_list(iter(lambda: file.read(PIECE_BYTES), b""), self._kinds, _rest)
        except OSError as error:
            raise StateError(self.path, f"{self.path} cannot be read ({error.strerror or error})") from error
        except LineError as error:
            raise ConfigError(f"{self.path}, {error}") from error
        self._may_be_missing = False
        return entries

    def has_changed(self) -> bool:
        """Return whether there is another file than the one that was read."""
        return self._file() != self._read_of

    def _file(self) -> tuple[int, ...] | None:
        """Return a fingerprint of the file, or None if there is none."""
        assert self.path is not None, "entries that were given stay as they are"
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_size, status.st_mtime_ns


def _rest() -> None:
    time.sleep(READ_REST_S)


def allow_source(text: str) -> ListSource:
    """Return the list of an --allow argument; raise UsageError for anything else."""
    return _source(text, ALLOWABLE, "--allow")


def deny_source(text: str) -> ListSource:
    """Return the list of a --deny argument; raise UsageError for anything else."""
    return _source(text, DENIABLE, "--deny")


def withdrawn_source(state_dir: Path) -> ListSource:
    """Return the list of tracks that were withdrawn from the server with this state directory."""
    return ListSource(state_dir / WITHDRAWN_NAME, WITHDRAWABLE, may_be_missing=True)


def _source(text: str, kinds: Collection[Kind], option: str) -> ListSource:
    """Return the list of an argument: entries separated by commas, or the path of a file."""
    given = ListSource(None, kinds)
    try:
        for entry in text.split(","):
            given.entries.add(entry.strip(), kinds)
    except UsageError as error:
        path = absolute(os.path.expanduser(text))  # noqa: PTH111 - Path's raises for the home of nobody
        if not text or not mode_of(path):
            raise UsageError(f"{option}: {text!r} is neither a file nor {_HELP[option]}") from error
        return ListSource(path, kinds)
    given.entries.flush()
    return given


def withdraw(state_dir: Path, track_ids: Iterable[bytes]) -> list[bytes]:
    """Withdraw tracks for good; return those that were not on the list yet.

    Raises:
        StateError: no server has kept anything there, or the list cannot be written.
        ConfigError: a line of the list cannot be read.
    """
    if not state_dir.is_dir():
        raise StateError(state_dir, f"no server has kept anything in {state_dir}: give its own --state")
    source = withdrawn_source(state_dir)
    known = source.read().tracks
    new = [track_id for track_id in dict.fromkeys(track_ids) if track_id not in known]
    path = state_dir / WITHDRAWN_NAME
    try:
        with path.open("ab+") as file:
            is_cut = file.tell() > 0 and os.pread(file.fileno(), 1, file.tell() - 1) != b"\n"
            lines = "".join(f"{format_uri(track_id)}\n" for track_id in new)
            file.write(b"\n" * is_cut + lines.encode())
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise state_error(path, error) from error
    return new
