"""Files of ours: the key, and whatever else is kept between runs.

Every file is replaced atomically (written beside itself, flushed, renamed), so a
crash or a full disk leaves the old one whole. A key is never overwritten: when
it is corrupt the person is told how to move it away. Other files that are
corrupt are set aside under another name, and the program goes on without them (`SmallFile`).
A light client also goes on where nothing can be kept, by a key of that run alone;
a server does not, for others know it by its key.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

from lightpeer.errors import BadMessageError, LightpeerError, StateError
from lightpeer.safe_files import read_ordinary

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lightpeer.core.trust.identity import Identity

logger = logging.getLogger(__name__)

T = TypeVar("T")

KEY_FILE: Final = "key"
LEFTOVER_S: Final = 3600.0  # a file is written within seconds, and was left by a crash if it is this old
_SECRET_BYTES: Final = 32
_MAX_KEY_BYTES: Final = 1024  # 65, and whatever an editor put around them
_PART: Final = ".part"


def ensure_state_dir(path: Path) -> None:
    """Make the state directory if need be; raise StateError if it cannot be made."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StateError(
            path, f"cannot make the state directory {path} ({error.strerror}): choose another with --state"
        ) from error


def write_atomically(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Replace a file whole or not at all; raise StateError if it cannot be written."""
    part = path.with_name(f".{path.name}.{os.urandom(8).hex()}{_PART}")  # nobody else's, and not foreseeable
    try:
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(descriptor, "wb") as file:  # the mode must hold from the start
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise StateError(path, f"cannot write {path}: {error.strerror}") from error


def set_aside(path: Path) -> Path:
    """Rename a corrupt file to `NAME.corrupt`, in place of an earlier one, and return its new name."""
    aside = path.with_name(path.name + ".corrupt")
    try:
        path.replace(aside)
    except OSError as error:
        raise StateError(path, f"cannot move the corrupt file {path} away: {error.strerror}") from error
    return aside


def sweep(state_dir: Path) -> None:
    """Remove what crashes left half written in a state directory, as far as that can be done."""
    written_since = time.time() - LEFTOVER_S
    with suppress(OSError), os.scandir(state_dir) as entries:  # `glob` would cost each start more
        for entry in entries:
            is_part = entry.name.startswith(".") and entry.name.endswith(_PART)
            if is_part and entry.stat(follow_symlinks=False).st_mtime < written_since:
                (state_dir / entry.name).unlink()


class Losses:
    """What cannot be kept. One disk has one trouble, so a run tells of it once."""

    def __init__(self) -> None:
        self._were_told = False

    def note(self, error: StateError) -> None:
        """Tell the person of the first, and the log of the others."""
        level = logging.DEBUG if self._were_told else logging.WARNING
        logger.log(level, "nothing is kept of this run: %s", error)
        self._were_told = True


class SmallFile:
    """A file that the program can do without: what is wrong with it costs the memory alone, and is said."""

    def __init__(self, path: Path, max_bytes: int, what: str, losses: Losses) -> None:
        """Take where it is.

        Args:
            path: of the file.
            max_bytes: it is not read if it has more.
            what: is kept in it, as people are told.
            losses: where it is told that it cannot be written.
        """
        self._path = path
        self._max_bytes = max_bytes
        self._what = what
        self._losses = losses

    def load(self, parse_untrusted: Callable[[bytes], T]) -> T | None:
        """Return what is in the file, None if there is nothing to be had; a corrupt one is set aside.

        `parse_untrusted` raises BadMessageError for one that is.
        """
        try:
            return parse_untrusted(read_ordinary(self._path, self._max_bytes))
        except (FileNotFoundError, NotADirectoryError):
            pass
        except OSError as error:
            logger.warning("cannot read %s %s: %s", self._what, self._path, error.strerror)
        except BadMessageError:
            self._set_aside()
        return None

    def save(self, data: bytes) -> None:
        """Replace the file."""
        try:
            write_atomically(self._path, data)
        except StateError as error:
            self._losses.note(error)

    def _set_aside(self) -> None:
        try:
            logger.warning("%s was corrupt; it is now %s", self._what, set_aside(self._path))
        except StateError as error:
            logger.warning("%s", error)


def load_or_create_identity(state_dir: Path, entropy: Callable[[int], bytes] = os.urandom) -> Identity:
    """Return the identity kept in a state directory, made at first use with mode 0600.

    Raises StateError if the key cannot be read, written, or is not a key; it is
    never overwritten.
    """
    identity = _load_identity(state_dir)
    if identity is None:
        secret, identity = _new_identity(entropy)
        _keep_key(state_dir, secret)
    return identity


def load_or_make_identity(state_dir: Path, entropy: Callable[[int], bytes], losses: Losses) -> Identity:
    """Do as `load_or_create_identity`, but return a new identity also where its key cannot be kept."""
    identity = _load_identity(state_dir)
    if identity is None:
        secret, identity = _new_identity(entropy)
        try:
            _keep_key(state_dir, secret)
        except StateError as error:
            losses.note(error)
    return identity


def _new_identity(entropy: Callable[[int], bytes]) -> tuple[bytes, Identity]:
    from lightpeer.core.trust.identity import Identity

    secret = entropy(_SECRET_BYTES)
    return secret, Identity(secret)


def _keep_key(state_dir: Path, secret: bytes) -> None:
    """Write a new key; raise StateError if that cannot be done."""
    ensure_state_dir(state_dir)
    try:
        write_atomically(state_dir / KEY_FILE, secret.hex().encode() + b"\n")
    except StateError as error:
        raise StateError(error.path, f"{error}: choose another place with --state") from error


def _load_identity(state_dir: Path) -> Identity | None:
    """Return the identity that is kept, None if there is none; raise StateError if it cannot be had."""
    from lightpeer.core.trust.identity import Identity

    sweep(state_dir)
    path = state_dir / KEY_FILE
    try:
        text = read_ordinary(path, _MAX_KEY_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        why = f"cannot read the key {path} ({error.strerror}): make it yours, or choose another --state"
        raise StateError(path, why) from error
    try:
        return Identity(bytes.fromhex(text.decode("ascii").strip()))
    except (ValueError, LightpeerError) as error:
        raise StateError(
            path,
            f"the key file {path} is corrupt and was left as it is: "
            f"put a copy back, or take a new identity with: mv {path} {path}.corrupt",
        ) from error
