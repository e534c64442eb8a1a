"""The bytes of a file, by a digest: a moved or copied file is known by it, and not encoded again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Final

from lightpeer.errors import UnreadableError
from lightpeer.serve.importing.cue_sheets import key_of, part_of
from lightpeer.serve.importing.repage import StoppedError
from lightpeer.serve.library.imported_files import SourceKey
from lightpeer.serve.library.paths import file_and_part

CHANGED: Final = "it changed while it was read: the next scan takes it"
_DIGEST_BYTES: Final = 16
_READ_BYTES: Final = 1 << 20
_REMEMBERED: Final = 8  # files whose parts are imported


def content_digest(path: Path, should_stop: Callable[[], bool]) -> bytes:
    """Return a digest of a file's bytes, or for a part of one: of these and its range.

    Args:
        path: the file's, or a part's.
        should_stop: asked for every megabyte.

    Raises:
        StoppedError: `should_stop` said so.
        UnreadableError: the file cannot be read, or has no such part any more.
    """
    file, number = file_and_part(path)
    if not number:
        return _digest_of(file, should_stop)
    part, key = part_of(path), key_of(file)
    if part is None or key is None:
        raise UnreadableError(CHANGED)
    of_file = _digest_of_divided(key, should_stop)
    of_part = b"%s %d %d" % (of_file, part.track.start_ticks, part.end_ticks or 0)
    return hashlib.blake2b(of_part, digest_size=_DIGEST_BYTES).digest()


@lru_cache(maxsize=_REMEMBERED)
def _digest_of_divided(key: SourceKey, should_stop: Callable[[], bool]) -> bytes:
    return _digest_of(Path(os.fsdecode(key.path)), should_stop)


def _digest_of(file: Path, should_stop: Callable[[], bool]) -> bytes:
    digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
    try:
        with file.open("rb", buffering=0) as opened:
            while data := opened.read(_READ_BYTES):
                if should_stop():
                    raise StoppedError
                digest.update(data)
    except OSError as error:
        raise UnreadableError(f"it cannot be read: {error.strerror}") from error
    return digest.digest()
