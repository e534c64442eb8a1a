"""Cue sheets for the tests of importing."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


def cue_text(file: str, *starts: str, titles: Sequence[str] = ()) -> str:
    """The sheet of an album whose tracks begin at these times, such as `00:02:00`."""
    lines = ["REM DATE 1999", 'PERFORMER "Band"', 'TITLE "Album"', f'FILE "{file}" WAVE']
    for number, start in enumerate(starts, 1):
        title = titles[number - 1] if titles else f"Song {number}"
        lines += [f"  TRACK {number:02} AUDIO", f'    TITLE "{title}"', f"    INDEX 01 {start}"]
    return "\n".join(lines) + "\n"


def write_cue(path: Path, file: str, *starts: str, titles: Sequence[str] = ()) -> Path:
    path.write_text(cue_text(file, *starts, titles=titles))
    return path
