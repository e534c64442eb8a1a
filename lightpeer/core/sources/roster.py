"""The sources of one track: those that are asked, and the silent ones in the order in which they are tried.

A silent source that was never probed comes before all that were, and one that has become silent comes last.
"""

from __future__ import annotations

from typing import Generic, TypeVar

SourceT = TypeVar("SourceT")


class Roster(Generic[SourceT]):
    """The lists of sources: each source is in one of the first two."""

    def __init__(self) -> None:
        self.asked: list[SourceT] = []
        self.silent: list[SourceT] = []  # the next one first
        self.unknown: list[SourceT] = []  # the silent ones that were never probed

    def join(self, source: SourceT) -> None:
        """Add a source, silent, after the unknown ones."""
        self.silent.insert(len(self.unknown), source)
        self.unknown.append(source)

    def leave(self, source: SourceT) -> None:
        """Remove a source, if it is there."""
        for sources in (self.asked, self.silent, self.unknown):
            if source in sources:
                sources.remove(source)

    def ask(self, source: SourceT) -> None:
        """Have a source asked, if it is silent."""
        if source in self.silent:
            self.leave(source)
            self.asked.append(source)

    def ask_next(self, number: int) -> list[SourceT]:
        """Have up to `number` silent sources asked; return which."""
        sources = self.silent[:number]
        for source in sources:
            self.ask(source)
        return sources

    def silence(self, source: SourceT) -> None:
        """Have a source asked no more, if it is."""
        if source in self.asked:
            self.asked.remove(source)
            self.silent.append(source)
