"""The files that are kept between runs: the key, and small files that the program can do without.

Each file is replaced atomically (written beside itself, flushed, renamed), so a crash or a full disk leaves
the old one intact. A key is never overwritten: if it is corrupt, the person is told how to move it away, and
of two processes that start at a time, the second takes the key of the first. Any other corrupt file is
renamed, and the program goes on without it (`SmallFile`). A light client also goes on where nothing can be
saved, with a key for that run. A server does not, since others know it by its key.
"""

from __future__ import annotations

import logging
import os
import time
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Final, TypeVar

from lightpeer.errors import BadMessageError, LightpeerError, StateError
from lightpeer.safe_files import read_ordinary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lightpeer.core.trust.identity import Identity

logger = logging.getLogger(__name__)

T = TypeVar("T")

KEY_FILE: Final = "key"
SERVE_FOLDER: Final = "serve"  # the state of lightpeer-serve, unless it has a directory of its own
LIBRARY_LOCK: Final = "library.lock"  # in the state of lightpeer-serve
KEPT_FOLDER: Final = "cache"  # what was heard, a file for each track (`state/kept.py`)
KEPT_ENDINGS: Final = (".pinned", ".kept")  # of its name, after the track's id; the first is looked for first
LEFTOVER_S: Final = 3600.0  # a file is written within seconds, so an older part was left by a crash
_SECRET_BYTES: Final = 32
_MAX_KEY_BYTES: Final = 1024  # 65, and what an editor may have added
_PART: Final = ".part"


def ensure_state_dir(path: Path) -> None:
    """Make the state directory unless it exists; raise StateError if that fails."""
    try:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise StateError(
            path, f"cannot make the state directory {path} ({error.strerror}): choose another with --state"
        ) from error


def write_atomically(path: Path, data: bytes, *, mode: int = 0o600) -> None:
    """Replace a file completely or not at all.

    Args:
        path: the file.
        data: its new contents.
        mode: its permissions.

    Raises:
        StateError: it cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.urandom(8).hex()}{_PART}")  # not foreseeable
    try:
        try:
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(descriptor, "wb") as file:  # the mode applies from the start
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
    """Remove half-written files that crashes left in a state directory, as far as that succeeds."""
    written_since = time.time() - LEFTOVER_S
    with suppress(OSError), os.scandir(state_dir) as entries:  # faster than `glob`, at each start
        for entry in entries:
            is_part = entry.name.startswith(".") and entry.name.endswith(_PART)
            if is_part and entry.stat(follow_symlinks=False).st_mtime < written_since:
                (state_dir / entry.name).unlink()


def is_kept(state_dir: Path, track_id: bytes) -> bool:
    """Return whether anything of a track is kept."""
    name = track_id.hex()
    return any((state_dir / KEPT_FOLDER / f"{name}{ending}").exists() for ending in KEPT_ENDINGS)


class Losses:
    """The files that cannot be saved. One disk has one trouble, so a run reports it once."""

    def __init__(self) -> None:
        self._were_told = False

    def note(self, error: StateError) -> None:
        """Log the first as a warning, the others for debugging."""
        level = logging.DEBUG if self._were_told else logging.WARNING
        logger.log(level, "cannot save state: %s", error)
        self._were_told = True


class SmallFile:
    """A file that the program can do without: errors are logged, and only its contents are lost."""

    def __init__(self, path: Path, max_bytes: int, what: str, losses: Losses) -> None:
        """Read nothing yet.

        Args:
            path: the file.
            max_bytes: a larger file is not read.
            what: its contents, as messages name them.
            losses: reports that it cannot be saved.
        """
        self._path = path
        self._max_bytes = max_bytes
        self._what = what
        self._losses = losses

    def load(self, parse_untrusted: Callable[[bytes], T]) -> T | None:
        """Return the parsed contents, None if there are none; set a corrupt file aside.

        `parse_untrusted` raises BadMessageError for a corrupt one.
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
        """Replace the file; report a failure."""
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
    """Return the identity that a state directory holds, made at first use with mode 0600.

    Args:
        state_dir: the directory.
        entropy: returns random bytes.

    Raises:
        StateError: the key cannot be read or written, or is not a key. It is never overwritten.
    """
    return _load_identity(state_dir) or _create_identity(state_dir, *_new_identity(entropy))


def load_or_make_identity(state_dir: Path, entropy: Callable[[int], bytes], losses: Losses) -> Identity:
    """Do as `load_or_create_identity`, but return a new identity where its key cannot be saved, or was lost.

    A key file that a power failure has left empty holds nothing to restore, and is set aside.

    Args:
        state_dir: the directory.
        entropy: returns random bytes.
        losses: reports that the key cannot be saved.

    Raises:
        StateError: a key is there, but cannot be read or is not a key.
    """
    path = state_dir / KEY_FILE
    with suppress(OSError):
        if _is_empty(read_ordinary(path, _MAX_KEY_BYTES)):
            logger.warning(
                "the key was empty, as after a power failure: this is a new id (%s)", set_aside(path)
            )
    identity = _load_identity(state_dir)
    if identity is None:
        secret, identity = _new_identity(entropy)
        try:
            identity = _create_identity(state_dir, secret, identity)
        except StateError as error:
            losses.note(error)
    return identity


def _new_identity(entropy: Callable[[int], bytes]) -> tuple[bytes, Identity]:
    from lightpeer.core.trust.identity import Identity

    secret = entropy(_SECRET_BYTES)
    return secret, Identity(secret)


def _create_identity(state_dir: Path, secret: bytes, identity: Identity) -> Identity:
    """Keep a new key, unless another process has just kept one; return the identity that is kept.

    Raises:
        StateError: it cannot be written.
    """
    ensure_state_dir(state_dir)
    with _locked(state_dir):
        if (kept := _load_identity(state_dir)) is not None:
            return kept
        try:
            write_atomically(state_dir / KEY_FILE, secret.hex().encode() + b"\n")
        except StateError as error:
            raise StateError(error.path, f"{error}: choose another place with --state") from error
    return identity


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep other processes out of a block, where the file system can; they wait for milliseconds."""
    import fcntl

    with ExitStack() as stack:
        with suppress(OSError):  # some network drives have no locks
            descriptor = os.open(folder, os.O_RDONLY)
            stack.callback(os.close, descriptor)  # which unlocks it
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


def _load_identity(state_dir: Path) -> Identity | None:
    """Return the saved identity, None if there is none; raise StateError if it cannot be read."""
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
    if _is_empty(text):
        raise StateError(path, f"the key file {path} is empty, as after a power failure: {_way_out(path)}")
    try:
        return Identity(bytes.fromhex(text.decode("ascii").strip()))
    except (ValueError, LightpeerError) as error:
        raise StateError(
            path,
            f"the key file {path} is corrupt and was left as it is: {_way_out(path)}",
        ) from error


def _is_empty(key: bytes) -> bool:
    """Return whether a key file is as a power failure leaves it: without its blocks, or with zeros there."""
    return not key.strip(b"\0 \n")


def _way_out(path: Path) -> str:
    return f"restore a copy, or start with a new identity: mv {path} {path}.corrupt"
