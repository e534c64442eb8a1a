"""The small database: transactions, pages, and errors in sentences."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from lightpeer.errors import StateError
from lightpeer.serve.library import database as database_module
from lightpeer.serve.library.database import Database

SCHEMA = "CREATE TABLE IF NOT EXISTS items (id BLOB PRIMARY KEY, text TEXT);"
PAGED = "SELECT id, text FROM items WHERE id > ? ORDER BY id LIMIT 3"


@pytest.fixture
def database(tmp_path: Path):
    opened = Database(tmp_path / "x.db", SCHEMA)
    yield opened
    opened.close()


def add(database: Database, *numbers: int) -> None:
    with database.transaction() as connection:
        rows = ((bytes([number]), str(number)) for number in numbers)
        connection.executemany("INSERT INTO items VALUES (?, ?)", rows)


def test_rows_stay_when_the_file_is_opened_again(database: Database) -> None:
    add(database, 1, 2)
    database.close()
    database.close()
    again = Database(database.path, SCHEMA)
    assert again.rows("SELECT text FROM items WHERE id = ?", (b"\2",)) == [("2",)]
    again.close()


def test_a_transaction_that_fails_changes_nothing(database: Database) -> None:
    add(database, 1)

    def fail() -> None:
        with database.transaction() as connection:
            connection.execute("DELETE FROM items")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert database.rows("SELECT count(*) FROM items") == [(1,)]


@pytest.mark.parametrize("count", [0, 1, 3, 4, 9])
def test_pages_give_all_rows_in_order(database: Database, count: int) -> None:
    add(database, *range(count, 0, -1))
    assert [row[1] for row in database.pages(PAGED)] == [str(number) for number in range(1, count + 1)]


def test_others_have_their_turn_between_pages(database: Database) -> None:
    add(database, *range(1, 7))
    seen = []
    for row in database.pages(PAGED):
        seen.append(row[1])
        if len(seen) == 1:
            writer = threading.Thread(target=add, args=(database, 9))
            writer.start()
            writer.join(10)
            assert not writer.is_alive(), "a page is read, and nobody holds the lock"
    assert seen == ["1", "2", "3", "4", "5", "6", "9"]


def test_a_damaged_file_is_one_sentence_and_a_derived_one_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    path.write_bytes(b"no database" * 500)
    with pytest.raises(StateError, match=r"is damaged .*: delete it"):
        Database(path, SCHEMA)
    assert path.exists(), "it is the person's to delete"
    fresh = Database(path, SCHEMA, derived=True)
    assert fresh.rows("SELECT * FROM items") == []
    fresh.close()


def test_a_path_that_cannot_be_opened_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "x.db").mkdir()
    for derived in (False, True):
        with pytest.raises(StateError, match="check that you may write there"):
            Database(tmp_path / "x.db", SCHEMA, derived=derived)
    assert (tmp_path / "x.db").is_dir()


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (sqlite3.OperationalError("database or disk is full"), "is full: free some space"),
        (sqlite3.OperationalError("no such module: fts5"), "without FTS5"),
        (sqlite3.OperationalError("disk I/O error"), r"cannot be used \(disk I/O error\)"),
        (sqlite3.DatabaseError("malformed"), r"is damaged \(malformed\)"),
    ],
)
def test_what_sqlite_says_becomes_a_sentence(database: Database, error: Exception, sentence: str) -> None:
    with pytest.raises(StateError, match=sentence), database.transaction():
        raise error


def test_a_connection_that_cannot_be_set_up_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    class Connection(sqlite3.Connection):
        def __init__(self, *args: object, **more: object) -> None:
            super().__init__(*args, **more)
            made.append(self)

    connect = sqlite3.connect
    monkeypatch.setattr(
        database_module.sqlite3, "connect", lambda *args, **more: connect(*args, factory=Connection, **more)
    )
    with pytest.raises(StateError):
        Database(tmp_path / "x.db", "CREATE NONSENSE")
    (connection,) = made
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")
