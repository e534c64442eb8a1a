"""What came of a scan, in few words: files of one kind and one reason share a line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from os import fsdecode
from pathlib import Path
from typing import Final

from lightpeer.console.text import clean
from lightpeer.serve.library.removal import NOTHING_DROPPED, Dropped

NAMED: Final = 5  # files with one reason that are named each


@dataclass(slots=True)
class ImportReport:
    """The result of a scan.

    Attributes:
        imported: how many files became tracks.
        known: how many were known under another name, and were not encoded again.
        unchanged: how many were as before, those among them that were skipped then.
        dropped: the files that were not found.
        skipped: each file that was not imported, with its reason.
        damaged: each file that was imported in part, with its reason.
        led_out: how many links were not followed.
        first_led_out: one of them, and its target.
        unsettled: how many files were left for a later scan, since they were written to a moment ago.
        waiting: how many new ones wait until somebody searches for them.
        looked_s: how many seconds the last look through the folders took.
        stopped: whether it ended early.
    """

    imported: int = 0
    known: int = 0
    unchanged: int = 0
    dropped: Dropped = NOTHING_DROPPED
    skipped: list[tuple[Path, str]] = field(default_factory=list)
    damaged: list[tuple[Path, str]] = field(default_factory=list)
    led_out: int = 0
    first_led_out: tuple[Path, Path] | None = None
    unsettled: int = 0
    waiting: int = 0
    looked_s: float = 0.0
    stopped: bool = False

    @property
    def removed(self) -> int:
        """How many files are gone."""
        return self.dropped.removed

    @property
    def has_changed_anything(self) -> bool:
        """Whether the library is another than before."""
        return bool(self.imported or self.known or self.removed)

    def notes(self) -> list[str]:
        """Return notes for the operator, a line each."""
        lines = list(_by_reason("skipped", self.skipped))
        lines += _by_reason("imported in part", self.damaged)
        return lines + self._advice()

    def _advice(self) -> list[str]:
        lines = []
        removed, first_removed, away, first_away = self.dropped
        if removed:
            what = "1 file is" if removed == 1 else f"{removed} files are"
            lines.append(f"{what} gone, such as {_shown(fsdecode(first_removed))}: removed from the library")
        if away:
            what = "1 file is" if away == 1 else f"{away} files are"
            lines.append(
                f"{what} out of sight, such as {_shown(fsdecode(first_away))}: "
                "kept and served; `lightpeer-serve prune` removes what is not there"
            )
        if self.first_led_out:
            link, target = map(_shown, self.first_led_out)
            links = "1 link that leads" if self.led_out == 1 else f"{self.led_out} links that lead"
            lines.append(
                f"skipped {links} out of the folder, such as {link} to {target}: "
                "name where it leads as one more folder, or give --follow-links"
            )
        return lines

    def summary(self) -> str:
        """Return the counts in a few words."""
        counts = ["1 file imported" if self.imported == 1 else f"{self.imported} files imported"]
        counts += [
            f"{count} {what}"
            for count, what in (
                (self.known, "moved or copied"),
                (self.unchanged, "as before"),
                (self.waiting, "to be imported once somebody searches for them"),
                (self.removed, "removed"),
                (len(self.skipped), "skipped"),
                (len(self.damaged), "in part"),
            )
            if count
        ]
        return ", ".join(counts)


def _by_reason(what: str, files: Iterable[tuple[Path, str]]) -> Iterator[str]:
    """Yield a line for each file, or for each reason that many files share."""
    by_reason: dict[str, list[Path]] = {}
    for path, reason in files:
        by_reason.setdefault(reason, []).append(path)
    for reason, paths in by_reason.items():
        if len(paths) > NAMED:
            yield f"{len(paths)} files {what}: {reason} (such as {_shown(paths[0])})"
        else:
            yield from (f"{what} {_shown(path)}: {reason}" for path in paths)


def _shown(name: Path | str) -> str:
    return clean(str(name), instead="?")
