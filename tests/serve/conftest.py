"""What tests of libraries share: a music folder, and a library of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lightpeer.serve.library.library import Library


@pytest.fixture
def music(tmp_path: Path) -> Path:
    """An empty music folder."""
    folder = tmp_path / "music"
    folder.mkdir()
    return folder


@pytest.fixture
def ladder() -> tuple[int, ...]:
    """The bitrates that are made unless a test names others."""
    return (24, 48)


@pytest.fixture
def open_library(tmp_path: Path, music: Path, ladder: tuple[int, ...]) -> Iterator[Callable[..., Library]]:
    """Give a function that opens the library, the one before being closed."""
    opened: list[Library] = []

    def run(cache_bytes: int | None = None, kbps: tuple[int, ...] = ladder) -> Library:
        if opened:
            opened.pop().close()
        opened.append(Library(tmp_path / "state", music, kbps, complexity=0, cache_bytes=cache_bytes))
        return opened[-1]

    yield run
    for library in opened:
        library.close()
