"""Output in encodings that lack some of our characters, as in a locale that is not UTF-8.

Each character is replaced by one of ASCII, so that lines keep their width. Titles in other scripts become
question marks; JSON is ASCII anyway.
"""

from __future__ import annotations

import codecs
import io
from typing import Final, TextIO

_NAME: Final = "lightpeer.plain"
_PLAIN: Final = str.maketrans("—…▶‖■↓←→", "-.>=#v<>")  # what we write ourselves


def _replace(error: UnicodeError) -> tuple[str, int]:
    """Return what to write in place of characters that an encoding lacks, and where to go on."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(_PLAIN)
    return "".join(char if char.isascii() else "?" for char in text), error.end


def accept_any_text(stream: TextIO | None) -> None:
    """Have a stream write any text, with replacements for what its encoding lacks."""
    if isinstance(stream, io.TextIOWrapper):
        codecs.register_error(_NAME, _replace)
        stream.reconfigure(errors=_NAME)
