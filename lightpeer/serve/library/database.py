"""A small SQLite database in the state directory, shared between threads.

Worker threads answer searches and open tracks while another imports. One connection
serves all behind one lock; every statement is short, and the write-ahead log with
`synchronous=NORMAL` means that a commit does not wait for the disk. A power cut can
lose the last imports, which the next scan makes again.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightpeer.errors import StateError

_BUSY_TIMEOUT_S = 5.0


class Database:
    """One SQLite file with its schema; use from any thread, one transaction at a time."""

    def __init__(self, path: Path, schema: str, *, derived: bool = False) -> None:
        """Open or create the file; raise StateError where that cannot be done.

        If all its rows are `derived` from elsewhere, a damaged file is replaced by an empty one.
        """
        self.path = path
        self._lock = threading.Lock()
        with _state_errors(path):
            self._connection = _connect_or_replace(path, schema) if derived else _connect(path, schema)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Give the connection; commit at the end, roll back if the block raises."""
        with self._lock, _state_errors(self.path), self._connection:
            yield self._connection

    def rows(self, query: str, parameters: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        """Return all rows that a query gives."""
        with self._lock, _state_errors(self.path):
            return self._connection.execute(query, parameters).fetchall()

    def pages(self, query: str) -> Iterator[tuple[object, ...]]:
        """Yield all rows, a page at a time, between which others have their turn.

        The query has one parameter, a blob, and returns the next rows with a greater first column, in order.
        """
        last: object = b""
        while rows := self.rows(query, (last,)):
            yield from rows
            last = rows[-1][0]

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        with self._lock:
            self._connection.close()


def _connect_or_replace(path: Path, schema: str) -> sqlite3.Connection:
    try:
        return _connect(path, schema)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        for suffix in ("", "-wal", "-shm"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return _connect(path, schema)


def _connect(path: Path, schema: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_BUSY_TIMEOUT_S, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.executescript(schema)
    except sqlite3.Error:
        connection.close()
        raise
    return connection


@contextmanager
def _state_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into sentences."""
    try:
        yield
    except sqlite3.OperationalError as error:
        text = str(error)
        if "full" in text:
            message = f"the disk with {path} is full: free some space and start again"
        elif "no such module" in text:
            message = "this Python's SQLite was built without FTS5 search: install one that has it"
        else:
            message = f"{path} cannot be used ({text}): check that you may write there"
        raise StateError(path, message) from error
    except sqlite3.DatabaseError as error:
        message = f"{path} is damaged ({error}): delete it, and the music is imported again"
        raise StateError(path, message) from error
