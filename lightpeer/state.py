"""Files of ours: the key, and whatever else is kept between runs.

Every file is replaced atomically (written beside itself, flushed, renamed), so a
crash or a full disk leaves the old one whole. A key is never overwritten: when
it is corrupt the person is told how to move it away. Other files that are
corrupt are set aside under another name, and the program goes on without them.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from lightpeer.errors import LightpeerError, StateError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lightpeer.core.identity import Identity

KEY_FILE = "key"
_SECRET_BYTES = 32


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
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            part.unlink(missing_ok=True)  # left by a crash, or put there for us to write a key into
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with open(descriptor, "wb") as file:  # noqa: PTH123 - the mode must hold from the start
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


def load_or_create_identity(state_dir: Path, entropy: Callable[[int], bytes] = os.urandom) -> Identity:
    """Return the identity kept in a state directory, made at first use with mode 0600.

    Raises StateError if the key cannot be read, written, or is not a key; it is
    never overwritten.
    """
    from lightpeer.core.identity import Identity

    path = state_dir / KEY_FILE
    try:
        text = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        ensure_state_dir(state_dir)
        secret = entropy(_SECRET_BYTES)
        identity = Identity(secret)
        write_atomically(path, secret.hex().encode() + b"\n")
        return identity
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
