"""The files and arguments that say who may listen, and what an operator has withdrawn for good.

A list is a file or, on the command line, the entries themselves. It is read whole or not at all
(`core/lists/rule_lists.py`), a piece at a time, with a rest after each: whoever reads a long list in a thread
holds Python's lock as long as it can, and a server that waits for it at each packet would fall silent.

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
    """One list: where it stands, and what it says. `path` is None where the entries were given themselves."""

    def __init__(self, path: Path | None, kinds: Collection[Kind], *, may_be_missing: bool = False) -> None:
        """Take where the list is, what it may name, and whether it may be missing as yet."""
        self.path = path
        self.entries = RuleList()
        self._read_of: tuple[int, ...] | None = None  # which file was read
        self._kinds = kinds
        self._may_be_missing = may_be_missing

    def read(self) -> RuleList:
        """Return what the file says now; it may take a while.

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
        """Tell whether there is another file than the one that was read."""
        return self._file() != self._read_of

    def _file(self) -> tuple[int, ...] | None:
        """Return what shows that a file is the same, or None where there is none."""
        assert self.path is not None, "entries that were given stay as they are"
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_size, status.st_mtime_ns


def _rest() -> None:
    time.sleep(READ_REST_S)


def allow_source(text: str) -> ListSource:
    """Return the list that an --allow is; raise UsageError if it is none."""
    return _source(text, ALLOWABLE, "--allow")


def deny_source(text: str) -> ListSource:
    """Return the list that a --deny is; raise UsageError if it is none."""
    return _source(text, DENIABLE, "--deny")


def withdrawn_source(state_dir: Path) -> ListSource:
    """Return the list of what was withdrawn from a server with a state directory."""
    return ListSource(state_dir / WITHDRAWN_NAME, WITHDRAWABLE, may_be_missing=True)


def _source(text: str, kinds: Collection[Kind], option: str) -> ListSource:
    """Return the list that an argument is: entries with commas, or else the path of a file."""
    given = ListSource(None, kinds)
    try:
        for entry in text.split(","):
            given.entries.add(entry.strip(), kinds)
    except UsageError as error:
        path = os.path.abspath(os.path.expanduser(text))  # noqa: PTH100, PTH111 - links stay, and none raises
        if not text or not os.path.exists(path):  # noqa: PTH110 - a name may be too long for a file
            raise UsageError(f"{option}: {text!r} is neither a file nor {_HELP[option]}") from error
        return ListSource(Path(path), kinds)
    given.entries.flush()
    return given


def withdraw(state_dir: Path, track_ids: Iterable[bytes]) -> list[bytes]:
    """Put tracks on the list of what is withdrawn for good; return those that were not there yet.

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
