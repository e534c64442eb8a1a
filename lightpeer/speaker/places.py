"""Where remotes reach a speaker: an address, and a socket in the file system for programs of this machine.

The socket is for the speaker's own user. One that an earlier run has left is replaced; any other file stays.
"""

from __future__ import annotations

import os
import socket
import stat
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, NamedTuple

import trio

from lightpeer.core.addresses import format_endpoint
from lightpeer.errors import StateError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from lightpeer.net.network import Address, Network

_BACKLOG: Final = 16


class Places(NamedTuple):
    """An address, and the path of a socket; None: there is none."""

    address: Address
    socket_path: Path | None = None


async def listen_at(network: Network, address: Address) -> trio.abc.Listener[trio.abc.Stream]:
    """Listen at an address; raise StateError if that is not possible."""
    try:
        return await network.listen_tcp(*address)
    except OSError as error:
        where = format_endpoint(address)
        text = f"cannot listen on {where} ({error.strerror or error}): choose another with --mpd-listen"
        raise StateError(where, text) from error


@asynccontextmanager
async def open_socket(path: Path) -> AsyncIterator[trio.SocketListener]:
    """Listen at a socket in the file system for the length of a block, and remove it after.

    Raises:
        StateError: it cannot be made.
    """
    try:
        listener = trio.SocketListener(trio.socket.from_stdlib_socket(_bound(path)))
    except OSError as error:
        text = f"cannot listen at {path} ({error.strerror or error}): choose another with --mpd-socket"
        raise StateError(path, text) from error
    try:
        yield listener
    finally:
        listener.socket.close()
        _remove_socket(path)


def _bound(path: Path) -> socket.socket:
    _remove_socket(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        sock.bind(os.fspath(path))
        sock.listen(_BACKLOG)
    except BaseException:
        sock.close()
        raise
    finally:
        os.umask(mask)
    return sock


def _remove_socket(path: Path) -> None:
    """Remove a socket that is there; what is no socket stays."""
    try:
        if stat.S_ISSOCK(os.lstat(path).st_mode):
            path.unlink()
    except FileNotFoundError:
        pass
